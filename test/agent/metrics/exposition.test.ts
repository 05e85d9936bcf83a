import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expositionText, type Family, formatFor } from "#agent/metrics/exposition.ts";
import { counterBy, gaugeBy } from "#agent/metrics/families.ts";
import { parseProcIo } from "#agent/metrics/figures.ts";
import { LABEL_VALUES_MAX } from "#agent/metrics/limits.ts";
import { metricsSchema, parseListen } from "#agent/metrics/schema.ts";
import { readExposition } from "./parse.ts";

const family = (type: Family["type"], samples: Family["samples"], help = "Help."): Family => ({
  name: type === "counter" ? "a_total" : "a",
  type,
  help,
  samples,
});

describe("the text of metrics", () => {
  it("is what the formats want", () => {
    const families = [
      family("counter", [{ labels: { lane: "bulk", room: 'a "b"\\\n' }, value: 3 }], 'Back\\slash "q"\nline'),
      family("gauge", [{ labels: {}, value: -0.5 }]),
    ];
    expect(expositionText(families, "prometheus")).toBe(
      [
        '# HELP a_total Back\\\\slash "q"\\nline',
        "# TYPE a_total counter",
        'a_total{lane="bulk",room="a \\"b\\"\\\\\\n"} 3',
        "# HELP a Help.",
        "# TYPE a gauge",
        "a -0.5",
        "",
      ].join("\n"),
    );
    expect(expositionText(families.slice(0, 1), "openmetrics")).toBe(
      [
        '# HELP a Back\\\\slash \\"q\\"\\nline',
        "# TYPE a counter",
        'a_total{lane="bulk",room="a \\"b\\"\\\\\\n"} 3',
        "# EOF",
        "",
      ].join("\n"),
    );
  });

  it("is read as it was meant, whatever labels and values hold", () => {
    const label = fc.string({ unit: "binary" }).map((text) => text.toWellFormed());
    const samples = fc.uniqueArray(fc.tuple(label, fc.double()), {
      selector: ([text]) => text,
      minLength: 1,
    });
    fc.assert(
      fc.property(samples, fc.constantFrom("prometheus" as const, "openmetrics" as const), (all, format) => {
        const written = all.map(([text, value]) => ({ labels: { l: text }, value }));
        const [read] = readExposition(
          expositionText([family("counter", written)], format),
          format === "openmetrics",
        );
        expect(read?.samples.map(({ labels, value }) => ({ labels, value: value + 0 }))).toEqual(
          written.map(({ labels, value }) => ({ labels, value: value + 0 })),
        );
      }),
    );
  });

  it("refuses names that no parser takes", () => {
    expect(() =>
      expositionText([{ ...family("gauge", [{ labels: {}, value: 1 }]), name: "a-b" }], "prometheus"),
    ).toThrow(/no name/);
    expect(() =>
      expositionText([{ ...family("gauge", [{ labels: {}, value: 1 }]), name: "a_total" }], "prometheus"),
    ).toThrow(/end in _total/);
  });

  it("holds no more values of a label than a Prometheus should keep; the rest of a counter is summed up", () => {
    const counts = Array.from({ length: LABEL_VALUES_MAX + 5 }, (_, at) => [`c${at}`, 1] as const);
    const counter = counterBy("a_total", "", "c", counts).samples;
    expect([counter.length, counter.at(-1)]).toEqual([
      LABEL_VALUES_MAX + 1,
      { labels: { c: "other" }, value: 5 },
    ]);
    expect(gaugeBy("a", "", "c", counts).samples).toHaveLength(LABEL_VALUES_MAX);
  });

  it("comes in the format that was asked for", () => {
    expect(formatFor(undefined)).toBe("prometheus");
    expect(formatFor("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1")).toBe(
      "openmetrics",
    );
  });
});

describe("metrics.listen", () => {
  it.each([
    ["127.0.0.1:9464", { kind: "tcp", host: "127.0.0.1", port: 9464 }],
    ["[::1]:0", { kind: "tcp", host: "::1", port: 0 }],
    ["/run/petrel/m.sock", { kind: "unix", path: "/run/petrel/m.sock" }],
    ["9464", null],
    ["localhost:70000", null],
    ["http://localhost:9464", null],
  ])("%s", (text, address) => {
    expect(parseListen(text)).toEqual(address);
  });

  it("is an address of the machine itself, unless the operator says otherwise", () => {
    expect(metricsSchema.safeParse({ listen: "0.0.0.0:9464" }).success).toBe(false);
    expect(metricsSchema.safeParse({ listen: "[::]:9464" }).success).toBe(false);
    expect(metricsSchema.safeParse({ listen: "127.0.0.1.evil.example:9464" }).success).toBe(false);
    expect(metricsSchema.safeParse({ listen: "0.0.0.0:9464", anywhere: true }).success).toBe(true);
    expect(metricsSchema.safeParse({ listen: "[::1]:9464" }).success).toBe(true);
  });
});

it("reads what the kernel counted of a process's disk", () => {
  const text =
    "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n";
  expect(parseProcIo(text)).toEqual({ read: 4096, written: 8192 });
  expect(parseProcIo("rchar: 1\n")).toBeNull();
});
