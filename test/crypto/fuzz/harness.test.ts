// The harness itself: what it is there to notice, it notices.
import { describe, expect, it } from "vitest";
import { CryptoError } from "#crypto/errors.ts";
import { randomOf } from "../differential/random.ts";
import {
  type Bytes,
  finding,
  nextInput,
  pairOf,
  sameBytes,
  type Target,
  unchangedIfRefused,
} from "./harness.ts";

const INPUT: Bytes = Uint8Array.of(1, 2, 3);
const feeding = (feed: Target["feed"]): string | null =>
  finding(
    pairOf(() => ({ name: "x", seeds: [INPUT], feed })),
    INPUT,
    false,
  );

describe("the fuzz harness", () => {
  it("lets an input be taken or refused", () => {
    expect(feeding(() => "taken")).toBeNull();
    const refuse = (): string => {
      throw new CryptoError("FORMAT", "no");
    };
    expect(feeding(refuse)).toBeNull();
  });

  it("notices any other error", () => {
    const crash = (input: Bytes): string =>
      `${(input.length as unknown as { no: { such: string } }).no.such}`;
    expect(feeding(crash)).toMatch(/TypeError/);
  });

  it("notices a refusal that changed the state", () => {
    let state = 0;
    const change = (): string =>
      unchangedIfRefused(
        () => `${state}`,
        () => {
          state += 1;
          throw new CryptoError("MAC", "no");
        },
      );
    expect(feeding(change)).toMatch(/changed the state/);
  });

  it("notices two encodings of one thing", () => {
    const lax = (input: Bytes): string => {
      sameBytes(input, Uint8Array.of(1), "number");
      return "taken";
    };
    expect(feeding(lax)).toMatch(/would not have written/);
  });

  it("notices providers that differ", () => {
    const pair = pairOf((provider) => ({ name: "x", seeds: [INPUT], feed: () => provider.name }));
    expect(finding(pair, INPUT, true)).toMatch(/node says .* noble says/);
  });

  it("notices work without bound", () => {
    const slow = (): string => {
      const end = performance.now() + 1_100;
      while (performance.now() < end);
      return "taken";
    };
    expect(feeding(slow)).toMatch(/took \d+ ms/);
  });

  it("mutates by the seed alone", () => {
    const pair = pairOf(() => ({ name: "x", seeds: [new Uint8Array(100)], feed: () => "" }));
    const [one, two] = [randomOf(7), randomOf(7)];
    const inputs = Array.from({ length: 50 }, () => Buffer.from(nextInput(pair, one)).toString("hex"));
    expect(Array.from({ length: 50 }, () => Buffer.from(nextInput(pair, two)).toString("hex"))).toEqual(
      inputs,
    );
    expect(new Set(inputs).size).toBeGreaterThan(40);
  });
});
