// The committed corpus is replayed, and each target gets a short seeded run. The long run is scripts/fuzz.ts.
import { describe, expect, it } from "vitest";
import { randomOf } from "../differential/random.ts";
import { readCorpus } from "./corpus.ts";
import { finding, nextInput, pairOf } from "./harness.ts";
import { TARGETS } from "./targets.ts";

const SHORT_INPUTS = 400;
/** Every so many inputs the noble provider answers too; it is slow where curves are asked. */
const NOBLE_EVERY = 20;

for (const make of TARGETS) {
  const pair = pairOf(make);
  describe(`fuzzing ${pair.name}`, () => {
    it("takes each of its own encodings", () => {
      for (const seed of pair.node.seeds) {
        expect(() => pair.node.feed(seed), Buffer.from(seed).toString("base64")).not.toThrow();
      }
    });

    it("stands the committed corpus, with both providers", () => {
      for (const input of readCorpus(pair.name))
        expect(finding(pair, input, true), Buffer.from(input).toString("base64")).toBeNull();
    });

    it("stands a short seeded run", () => {
      const random = randomOf(1);
      for (let i = 0; i < (pair.node.shortInputs ?? SHORT_INPUTS); i += 1) {
        const input = nextInput(pair, random);
        expect(finding(pair, input, i % NOBLE_EVERY === 0), Buffer.from(input).toString("base64")).toBeNull();
      }
    });
  });
}
