import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, canonicalJsonBytes, compareCodePoints } from "#crypto/canonical-json.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The naive twin of the key order: compare the UTF-8 bytes. */
function naiveCompare(a: string, b: string): number {
  const left = utf8(a);
  const right = utf8(b);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    if (left[i] !== right[i]) return (left[i] ?? 0) - (right[i] ?? 0);
  }
  return left.length - right.length;
}

describe("canonical JSON: the examples of the specification's appendix", () => {
  const examples: [string, string][] = [
    ["{}", "{}"],
    ['{ "one": 1, "two": "Two" }', '{"one":1,"two":"Two"}'],
    ['{ "b": "2", "a": "1" }', '{"a":"1","b":"2"}'],
    ['{"b":"2","a":"1"}', '{"a":"1","b":"2"}'],
    [
      `{"auth":{"success":true,"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[
        {"medium":"email","address":"john.doe@example.org"},{"medium":"msisdn","address":"123456789"}]}}}`,
      '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}',
    ],
    ['{ "a": "日本語" }', '{"a":"日本語"}'],
    ['{ "本": 2, "日": 1 }', '{"日":1,"本":2}'],
    ['{ "a": "\\u65E5" }', '{"a":"日"}'],
    ['{ "a": null }', '{"a":null}'],
    ['{ "a": -0, "b": 1e10 }', '{"a":0,"b":10000000000}'],
  ];
  it.each(examples)("turns %s into %s", (input, expected) => {
    expect(canonicalJson(JSON.parse(input))).toBe(expected);
  });
});

describe("canonical JSON", () => {
  it("orders keys by code point where UTF-16 would order otherwise", () => {
    const value = {
      "\u{1f431}": 1,
      "\uf123": 2,
      "\ue000": 3,
      "\uffff": 4,
      "\u{10000}": 5,
      z: 6,
      "\ud7ff": 7,
    };
    expect(canonicalJson(value)).toBe(
      '{"z":6,"\ud7ff":7,"\ue000":3,"\uf123":2,"\uffff":4,"\u{10000}":5,"\u{1f431}":1}',
    );
    expect(Object.keys(value).sort()).not.toEqual(Object.keys(value).sort(compareCodePoints));
  });

  it("orders any keys as their UTF-8 bytes order", () => {
    const text = fc.string({
      unit: fc.constantFrom("a", "b", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}"),
    });
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareCodePoints(a, b))).toBe(Math.sign(naiveCompare(a, b)));
      }),
    );
  });

  it("orders numbers in keys as text, a prefix first and capitals before small letters", () => {
    expect(canonicalJson({ 10: 1, 2: 2, 1: 3, abc: 4, ab: 5, A: 6 })).toBe(
      '{"1":3,"10":1,"2":2,"A":6,"ab":5,"abc":4}',
    );
  });

  it("escapes what must be escaped, in lower case, and nothing else", () => {
    const controls = Array.from({ length: 0x20 }, (_, code) => String.fromCharCode(code)).join("");
    expect(canonicalJson(`${controls}"\\/\x7f\u2028é`)).toBe(
      '"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f' +
        "\\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\\u001e\\u001f" +
        '\\"\\\\/\x7f\u2028é"',
    );
  });

  it("takes integers to the edge of 53 bits and writes them without an exponent", () => {
    expect(canonicalJson([2 ** 53 - 1, 1 - 2 ** 53, 1.0, -0, 0])).toBe(
      "[9007199254740991,-9007199254740991,1,0,0]",
    );
  });

  const refused: [string, unknown, RegExp][] = [
    ["a float", { a: { b: [1, 1.5] } }, /found 1\.5 at \$\.a\.b\[1\]$/],
    ["2^53", 2 ** 53, /found 9007199254740992 at \$$/],
    ["-2^53", -(2 ** 53), /found -9007199254740992/],
    ["infinity", Number.POSITIVE_INFINITY, /found Infinity/],
    ["NaN", Number.NaN, /found NaN/],
    ["a lone surrogate", ["\ud800"], /lone surrogate at \$\[0\]/],
    ["a lone surrogate in a key", { "\udc00": 1 }, /lone surrogate/],
    ["undefined", { a: undefined }, /found undefined at \$\.a/],
    ["a hole", new Array(1), /found undefined at \$\[0\]/],
    ["a bigint", { a: 1n }, /found bigint/],
    ["a function, toJSON too", { toJSON: () => 1 }, /found function/],
    ["a date", { a: new Date(0) }, /instance of a class at \$\.a/],
    ["a map", new Map(), /instance of a class/],
    ["bytes", new Uint8Array(1), /instance of a class/],
  ];
  it.each(refused)("refuses %s and says where", (_name, value, message) => {
    expect(() => canonicalJson(value)).toThrow(expect.objectContaining({ code: "FORMAT" }));
    expect(() => canonicalJson(value)).toThrow(message);
  });

  it("refuses nesting beyond 128 levels and cycles, and takes 128", () => {
    const nested = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    expect(canonicalJson(nested(128))).toHaveLength(256);
    expect(() => canonicalJson(nested(129))).toThrow(/deeper nesting/);
    expect(() => canonicalJson(cycle)).toThrow(/deeper nesting/);
  });

  // CVE-2023-28427 and its class: keys that mean something to JavaScript.
  it("treats __proto__ and constructor as keys like any other, and writes nothing inherited", () => {
    const hostile: unknown = JSON.parse(
      '{"constructor":1,"__proto__":{"admin":true},"a":{"__proto__":null}}',
    );
    expect(canonicalJson(hostile)).toBe(
      '{"__proto__":{"admin":true},"a":{"__proto__":null},"constructor":1}',
    );
    expect(canonicalJson(Object.assign(Object.create(null), { b: 1, a: 2 }))).toBe('{"a":2,"b":1}');
    expect(({} as Record<string, unknown>)["admin"]).toBeUndefined();
  });

  it("leaves its input as it was", () => {
    const value = Object.freeze({ b: Object.freeze([2, 1]), a: 1 });
    expect(canonicalJson(value)).toBe('{"a":1,"b":[2,1]}');
    expect(Object.keys(value)).toEqual(["b", "a"]);
  });

  it("writes what JSON.parse reads back, and the same text again", () => {
    const integer = fc.oneof(fc.maxSafeInteger(), fc.integer());
    const { value: json } = fc.letrec((again) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom(null, true, false),
        integer,
        fc.string({ unit: "grapheme" }),
        fc.array(again("value"), { maxLength: 4 }),
        fc.dictionary(fc.string({ unit: "binary" }), again("value"), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(json, (value) => {
        const text = canonicalJson(value);
        const back: unknown = JSON.parse(text);
        expect(canonicalJson(back)).toBe(text);
        expect(JSON.parse(JSON.stringify(value))).toEqual(back);
        expect(canonicalJsonBytes(value)).toEqual(utf8(text));
      }),
    );
  });
});
