// What a mark found on the server means: whoever lost power, network or an answer is never taken for a copy; a copy and an old store are.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { boardOf, parseSerial } from "#agent/copies/board.ts";
import {
  encodeMark,
  type Here,
  isForeign,
  isOtherBoard,
  judge,
  type Mark,
  type OwnMarks,
  parseMark,
  type SeenMark,
} from "#agent/copies/mark.ts";

const here: Here = { board: "B1", boot: "boot-9" };
const mark = (count: number, nonce: string): Mark => ({ count, nonce });
const seen = (count: number, nonce: string, more: Partial<SeenMark> = {}): SeenMark => ({
  count,
  nonce,
  board: "B1",
  boot: "boot-9",
  objectsTo: null,
  ...more,
});
const own: OwnMarks = { confirmed: mark(5, "a"), pending: mark(6, "b"), board: "B1" };

describe("a mark on the server", () => {
  it.each([
    ["the one it confirmed", seen(5, "a"), "ours"],
    ["the one under way", seen(6, "b"), "ours"],
    ["none", null, "none"],
    ["an older one: the server's data was put back", seen(3, "x"), "server-behind"],
    [
      "one more, of this board before it started anew: the disk forgot",
      seen(6, "x", { boot: "boot-8" }),
      "tail-lost",
    ],
  ])("that is %s is no copy", (_name, found, kind) => {
    expect(judge(own, found, here)).toEqual({ kind });
  });

  it.each([
    ["one more, of this board since it started", seen(6, "x"), "put-back"],
    ["several more, of this board before it started", seen(8, "x", { boot: "boot-8" }), "put-back"],
    ["one more, of another board", seen(6, "x", { board: "B2", boot: "boot-3" }), "elsewhere"],
    ["as many, of another board", seen(5, "x", { board: "B2" }), "elsewhere"],
    ["one more where the other tells no board", seen(6, "x", { board: null, boot: "boot-3" }), "either"],
  ])("that is %s is one of a copy", (_name, found, copy) => {
    expect(judge(own, found, here)).toEqual({ kind: "copy", copy });
  });

  it("says nothing to a new store under an old device's name", () => {
    expect(judge({ confirmed: null, pending: null, board: null }, seen(9, "x"), here)).toEqual({
      kind: "none",
    });
  });

  it("is another board's only where both are known", () => {
    expect(isOtherBoard({ board: "B2" }, here)).toBe(true);
    expect(isOtherBoard({ board: "B1" }, here)).toBe(false);
    expect(isOtherBoard({ board: null }, here)).toBe(false);
    expect(isOtherBoard({ board: "B2" }, { ...here, board: null })).toBe(false);
  });

  it("that comes with the sync is foreign unless it is ours or old", () => {
    expect(
      [seen(5, "a"), seen(6, "b"), seen(4, "x"), seen(6, "x"), seen(5, "x")].map((one) =>
        isForeign(own, one),
      ),
    ).toEqual([false, false, false, true, true]);
  });

  it("is read as it was written, and other content is none", () => {
    expect(parseMark(encodeMark(mark(7, "n"), here, "old"))).toEqual(seen(7, "n", { objectsTo: "old" }));
    expect([{}, { v: 2, count: 1, nonce: "n" }, { v: 1, count: "1", nonce: "n" }].map(parseMark)).toEqual([
      null,
      null,
      null,
    ]);
  });
});

/** Where a start is cut off: before anything, once the new mark is written, once it is sent, or not at all. */
const CUTS = ["before", "written", "sent", "never"] as const;

interface World {
  readonly stored: OwnMarks;
  readonly server: SeenMark | null;
}

/** The mark that a start makes (copies.ts, `#raise`): the one under way where the server does not have it yet. */
const nextMark = ({ server, stored }: World, nonce: string): { known: Mark | null; made: Mark } => {
  const { confirmed, pending } = stored;
  const known = server !== null && pending?.nonce === server.nonce ? pending : confirmed;
  const isOpen = pending !== null && pending.nonce !== known?.nonce;
  return { known, made: isOpen ? pending : mark((known?.count ?? 0) + 1, nonce) };
};

const startCutAt = (world: World, now: Here, cut: (typeof CUTS)[number], nonce: string): World => {
  if (cut === "before") return world;
  const { known, made } = nextMark(world, nonce);
  const stored = { confirmed: known, pending: made, board: now.board ?? world.stored.board };
  if (cut === "written") return { ...world, stored };
  const server = parseMark(encodeMark(made, now, null));
  return { stored: cut === "never" ? { ...stored, confirmed: made } : stored, server };
};

it("of a device that lost power at any moment of any start is never taken for a copy's", () => {
  const start = fc.record({ cut: fc.constantFrom(...CUTS), boot: fc.nat(3), board: fc.boolean() });
  fc.assert(
    fc.property(fc.array(start), (starts) => {
      let world: World = { stored: { confirmed: null, pending: null, board: null }, server: null };
      for (const [index, { board, boot, cut }] of starts.entries()) {
        const now: Here = { board: board ? "B1" : null, boot: `boot-${boot}` };
        expect(["ours", "none"]).toContain(judge(world.stored, world.server, now).kind);
        world = startCutAt(world, now, cut, `n${index}`);
      }
    }),
  );
});

describe("a board", () => {
  it("is known by a serial number that means something", () => {
    expect(parseSerial("10000000abcdef12\0")).toBe("10000000abcdef12");
    expect(
      [
        "0000000000000000",
        "",
        "To be filled by O.E.M.",
        "Not Specified",
        "00000000-0000-0000-0000-000000000000",
        "x".repeat(500),
      ].map(parseSerial),
    ).toEqual([null, null, null, null, null, null]);
  });

  it("is what the configuration says, or not looked at", () => {
    expect([boardOf("rack-7"), boardOf("any")]).toEqual(["rack-7", null]);
  });
});
