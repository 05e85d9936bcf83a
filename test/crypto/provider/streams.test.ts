import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nobleProvider } from "#crypto/provider/noble.ts";
import { nodeProvider } from "#crypto/provider/node.ts";

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const pieces = fc.array(fc.uint8Array({ maxLength: 70 }), { maxLength: 8 });
const joined = (parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

describe.each([nodeProvider, nobleProvider])("streams of the $name provider", (provider) => {
  it("encrypt in pieces of any length to what one call gives, across the counter's wrap too", () => {
    fc.assert(
      fc.property(bytes(32), bytes(16), fc.nat({ max: 16 }), pieces, (key, iv, ones, parts) => {
        iv.fill(0xff, 16 - ones);
        const stream = provider.aesCtrStream(key, iv);
        const out = joined(parts.map((part) => stream.update(part)));
        expect(out).toEqual(joined([nodeProvider.aesCtr(key, iv, joined(parts))]));
      }),
    );
  });

  it("hash in pieces to what one call gives", () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        const stream = provider.sha256Stream();
        for (const part of parts) stream.update(part);
        expect(stream.digest()).toEqual(nodeProvider.sha256(joined(parts)));
      }),
    );
  });

  it("take a key of 32 bytes and an IV of 16 only, and keep copies of them", () => {
    const key = new Uint8Array(32);
    const iv = new Uint8Array(16);
    expect(() => provider.aesCtrStream(new Uint8Array(16), iv)).toThrow(RangeError);
    expect(() => provider.aesCtrStream(key, new Uint8Array(12))).toThrow(RangeError);
    const expected = provider.aesCtr(key, iv, new Uint8Array(40));
    const stream = provider.aesCtrStream(key, iv);
    key.fill(1);
    iv.fill(1);
    expect(stream.update(new Uint8Array(40))).toEqual(expected);
    expect([...iv]).toEqual(new Array(16).fill(1));
  });
});
