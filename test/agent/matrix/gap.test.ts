// Filling one gap: where it ends, whatever the server's way of saying so. Pages are given by the test, as servers were seen to give them.
import { describe, expect, it } from "vitest";
import { type Filled, fillGap } from "#agent/matrix/gap.ts";
import { GAP_BYTES_MAX, GAP_PAGES_MAX } from "#agent/matrix/limits.ts";
import { type JsonObject, MatrixError } from "#agent/matrix/types.ts";

type Page = { readonly ids: readonly string[]; readonly end?: string; readonly body?: string } | MatrixError;

interface Scene {
  readonly pages: readonly Page[];
  readonly to?: string | null;
  readonly seen?: readonly string[];
}

const eventOf = (id: string, body: string): JsonObject => ({
  event_id: id,
  type: "m.room.message",
  sender: "@a:x",
  content: { body },
  origin_server_ts: 1,
});

/** The last page is given again for ever. */
const filled = async ({
  pages,
  to = "s1",
  seen = [],
}: Scene): Promise<Filled & { readonly asked: JsonObject[] }> => {
  const asked: JsonObject[] = [];
  const result = await fillGap(
    {
      client: {
        request: (_method, _path, options) => {
          asked.push(options?.query ?? {});
          const page = pages[Math.min(asked.length, pages.length) - 1] ?? { ids: [] };
          if (page instanceof MatrixError) return Promise.reject(page);
          const chunk = page.ids.map((id) => eventOf(id, page.body ?? ""));
          return Promise.resolve({ chunk, ...(page.end === undefined ? {} : { end: page.end }) });
        },
      },
      filter: {},
      signal: new AbortController().signal,
      roomIsKnown: seen.length > 0,
      seen: (eventId) => seen.includes(eventId),
    },
    { roomId: "!r", from: "p0", to },
  );
  return { ...result, asked };
};

const idsOf = ({ events }: Filled): readonly string[] => events.map(({ eventId }) => eventId);
const refused = new MatrixError("refused", "no", { status: 400 });

describe("a gap ends", () => {
  it("with a page that has events and no end (Dendrite), those events included", async () => {
    const gap = await filled({ pages: [{ ids: ["$4", "$3"], end: "p1" }, { ids: ["$2"] }] });
    expect(idsOf(gap)).toEqual(["$2", "$3", "$4"]);
    expect([gap.truncated, gap.asked.length]).toEqual([false, 2]);
    expect(gap.asked.map(({ from, to }) => [from, to])).toEqual([
      ["p0", "s1"],
      ["p1", "s1"],
    ]);
  });

  it("with an empty page without an end (Synapse)", async () => {
    const gap = await filled({ pages: [{ ids: ["$3"], end: "p1" }, { ids: [] }] });
    expect([idsOf(gap), gap.truncated]).toEqual([["$3"], false]);
  });

  it("with an end that stands still", async () => {
    const gap = await filled({
      pages: [
        { ids: ["$3"], end: "p1" },
        { ids: ["$2"], end: "p1" },
      ],
    });
    expect([idsOf(gap), gap.truncated]).toEqual([["$2", "$3"], false]);
  });

  it("not with an empty page that has an end: a filter left its events out", async () => {
    const gap = await filled({ pages: [{ ids: [], end: "p1" }, { ids: ["$2"] }] });
    expect(idsOf(gap)).toEqual(["$2"]);
  });

  it("where a server ignores the position and leads on into what was seen", async () => {
    const gap = await filled({
      pages: [
        { ids: ["$3"], end: "p1" },
        { ids: ["$2", "$1"], end: "p2" },
      ],
      seen: ["$1", "$2"],
    });
    expect([gap.asked.length, gap.truncated]).toEqual([2, false]);
  });

  it("in the end, though the server goes on for ever", async () => {
    const endless: Page[] = Array.from({ length: 500 }, (_, n) => ({ ids: [], end: `p${n + 1}` }));
    const gap = await filled({ pages: endless });
    expect([gap.asked.length, gap.truncated]).toEqual([GAP_PAGES_MAX, true]);
  });

  it("when it weighs too much", async () => {
    const body = "x".repeat(GAP_BYTES_MAX / 4);
    const heavy: Page[] = Array.from({ length: 50 }, (_, n) => ({ ids: [`$${n}`], end: `p${n + 1}`, body }));
    const gap = await filled({ pages: heavy });
    expect([gap.asked.length, gap.truncated]).toEqual([4, true]);
  });
});

describe("without a position", () => {
  it("a gap ends with what was seen, and history before it is left out", async () => {
    const pages: Page[] = [
      { ids: ["$9", "$8"], end: "p1" },
      { ids: ["$7", "$6", "$5", "$4"], end: "p2" },
    ];
    const gap = await filled({ pages, to: null, seen: ["$6", "$5"] });
    expect([idsOf(gap), gap.truncated]).toEqual([["$5", "$6", "$7", "$8", "$9"], false]);
    expect(gap.asked[0]).not.toHaveProperty("to");
  });

  it("it is asked once more when the server refuses the position, in a room that we know", async () => {
    const known = await filled({ pages: [refused, { ids: ["$3", "$2"], end: "p1" }], seen: ["$2"] });
    expect([idsOf(known), known.truncated]).toEqual([["$2", "$3"], false]);
    const unknown = await filled({ pages: [refused, { ids: ["$3"] }] });
    expect([unknown.asked.length, unknown.truncated]).toEqual([1, true]);
  });
});

describe("a failure", () => {
  it("that is a refusal in the middle leaves what was had, cut", async () => {
    const gap = await filled({ pages: [{ ids: ["$3"], end: "p1" }, refused] });
    expect([idsOf(gap), gap.truncated]).toEqual([["$3"], true]);
  });

  it("that may pass is passed on: the whole is asked again", async () => {
    const network = new MatrixError("network", "gone");
    await expect(filled({ pages: [{ ids: ["$3"], end: "p1" }, network] })).rejects.toBe(network);
  });
});
