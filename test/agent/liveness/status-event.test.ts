import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  encodeStatus,
  laterStatus,
  parseStatus,
  type Status,
  type StatusKind,
} from "#agent/liveness/status-event.ts";

const schema = JSON.parse(readFileSync("docs/schemas/status.v1.json", "utf8")) as object;
const id = (session: number) => ({ device: "d", boot: "b", bootSeq: 1, session });
const kind = fc.constantFrom<StatusKind>("birth", "heartbeat", "death");

describe("a status event", () => {
  it("is as its schema says, and is read as what was written", () => {
    const valid = new Ajv2020({ strict: false }).compile(schema);
    fc.assert(
      fc.property(kind, fc.integer({ min: 1, max: 2 ** 40 }), fc.boolean(), (what, session, will) => {
        const said = { atMs: 1_763_999_990_000.4, clock: "ntp" } as const;
        const content = encodeStatus(what, id(session), will ? { reason: "lost" } : { said, version: "1" });
        expect(valid(JSON.parse(JSON.stringify(content)))).toBe(true);
        expect(parseStatus(content)).toMatchObject({ kind: what, session, device: "d" });
      }),
    );
  });

  it.each([{}, { v: 2, state: "birth" }, { v: 1, state: "asleep" }, { v: 1, state: "birth", device: 7 }])(
    "of another version, or broken, is none: %j",
    (content) => {
      expect(parseStatus(content)).toBeNull();
    },
  );
});

describe("a reader", () => {
  const status = (what: StatusKind, session: number): Status => ({
    kind: what,
    session,
    device: "d",
    bootSeq: 1,
    reason: null,
  });

  it("never lets an old death win over a newer birth, in whatever order they arrive", () => {
    const sessions = fc.array(fc.record({ kind, session: fc.integer({ min: 1, max: 5 }) }), { minLength: 1 });
    fc.assert(
      fc.property(sessions, (given) => {
        const arrived = given.map((one) => status(one.kind, one.session));
        const held = arrived.reduce<Status | null>(laterStatus, null);
        const newest = Math.max(...given.map(({ session }) => session));
        const died = given.some((one) => one.session === newest && one.kind === "death");
        expect(held?.session).toBe(newest);
        expect(held?.kind === "death").toBe(died);
      }),
    );
  });
});
