import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Framing } from "#drivers/framing/framing.ts";
import { jsonLines } from "#drivers/framing/json-lines.ts";
import { arbitraryCuts, bytesOf, expectIndifferentToCuts, framesOf, outline, trees } from "./codec.ts";

const make = (): Framing => jsonLines.create(jsonLines.schema.parse({ type: "json-lines" }));

describe("the framing json-lines", () => {
  it("reads one JSON text per line, of any kind (RFC 8259 section 2)", () => {
    const stream = '{"t":21.5,"ok":true}\n[1,2]\r\n "x" \n7\nnull\n';
    expect(trees(framesOf(make(), [bytesOf(stream)]))).toEqual([{ t: 21.5, ok: true }, [1, 2], "x", 7, null]);
  });

  it("reports a line that is no JSON as malformed, says where, and reads on", () => {
    const frames = framesOf(make(), [bytesOf('{"t":21.\n{"t":1}\n')]);
    expect(outline(frames)[0]).toEqual(["malformed", 9]);
    expect(frames[0]?.kind === "discarded" ? frames[0].detail : "").toMatch(/^expected JSON: /);
    expect(trees(frames)).toEqual([{ t: 1 }]);
  });

  it("gives back any JSON value that it encoded, cut anywhere", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 5 }), arbitraryCuts, (values, cuts) => {
        const framing = make();
        const stream = Buffer.concat(values.map((value) => framing.encode(bytesOf(JSON.stringify(value)))));
        const expected = values.map((value) => JSON.parse(JSON.stringify(value)) as unknown);
        expect(trees(framesOf(framing, [stream]))).toEqual(expected);
        expectIndifferentToCuts(make, stream, cuts);
      }),
    );
  });

  it("survives garbage between two texts", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), arbitraryCuts, (garbage, cuts) => {
        const stream = Buffer.concat([bytesOf('{"a":1}\n'), garbage, bytesOf('\n{"b":2}\n')]);
        const values = trees(framesOf(make(), [stream]));
        expect(values[0]).toEqual({ a: 1 });
        expect(values.at(-1)).toEqual({ b: 2 });
        expectIndifferentToCuts(make, stream, cuts);
      }),
    );
  });

  it("refuses to send what is no JSON", () => {
    expect(() => make().encode(bytesOf("on"))).toThrow(/expected JSON to send/);
    expect(Buffer.from(make().encode(bytesOf('{"relay":1}'))).toString()).toBe('{"relay":1}\n');
  });
});
