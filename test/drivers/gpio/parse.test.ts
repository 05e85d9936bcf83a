// The parsers against what libgpiod's tools really printed (test/drivers/data/gpio/README.md).
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  isBanner,
  parseEdge,
  parseGpiodetect,
  parseGpioinfo,
  parseLevels,
  parseVersion,
} from "#drivers/gpio/parse.ts";

const recorded = (version: 1 | 2): string =>
  readFileSync(join(import.meta.dirname, `../data/gpio/recorded-v${version}.txt`), "utf8");

/** What followed the `nth` command line that begins so. */
const outputOf = (version: 1 | 2, command: string, nth = 0): string =>
  recorded(version)
    .split(/^\$ /m)
    .filter((part) => part.startsWith(command))
    [nth]?.split("\n")
    .slice(1)
    .join("\n") ?? "";

describe("libgpiod 1.6.3", () => {
  it("is told by its version", () => {
    expect(parseVersion(outputOf(1, "gpiodetect -v"))).toBe(1);
  });

  it("lists its chips and lines", () => {
    expect(parseGpiodetect(outputOf(1, "gpiodetect\n"))).toEqual([{ name: "gpiochip0", label: "edge-sim" }]);
    const lines = parseGpioinfo(1, outputOf(1, "gpioinfo\n"));
    expect(lines).toHaveLength(8);
    expect(lines[0]).toEqual({ chip: "gpiochip0", offset: 0, name: "relay", output: false, consumer: null });
    expect(lines[7]?.name).toBeNull();
  });

  it("shows who holds a line, and which way", () => {
    const busy = parseGpioinfo(1, outputOf(1, "gpioinfo\n", 1));
    expect(busy[1]).toEqual({
      chip: "gpiochip0",
      offset: 1,
      name: "rain",
      output: false,
      consumer: "gpiomon",
    });
    const driven = parseGpioinfo(1, outputOf(1, "gpioinfo gpiochip0"));
    expect(driven[0]).toMatchObject({ output: true, consumer: "gpioset" });
    expect(driven.filter(({ consumer }) => consumer !== null)).toHaveLength(1);
  });

  it("prints edges with nanoseconds", () => {
    const lines = outputOf(1, "gpiomon -b gpiochip0 1 2").split("\n");
    const edges = lines.map((line) => parseEdge(1, line)).filter((edge) => edge !== null);
    expect(edges.map(({ offset, level }) => [offset, level])).toEqual([
      [1, 1],
      [1, 0],
      [1, 1],
      [1, 0],
      [2, 0],
      [2, 1],
    ]);
    expect(edges[0]?.stampMs).toBeCloseTo(9_903.474171, 6);
  });

  it("reads levels", () => {
    expect(parseLevels(outputOf(1, "gpioget gpiochip0 1 2"))).toEqual([0, 1]);
  });
});

describe("libgpiod 2.2.1", () => {
  it("is told by its version", () => {
    expect(parseVersion(outputOf(2, "gpiodetect -v"))).toBe(2);
  });

  it("lists its chips and lines", () => {
    expect(parseGpiodetect(outputOf(2, "gpiodetect\n"))).toEqual([{ name: "gpiochip0", label: "edge-sim" }]);
    const lines = parseGpioinfo(2, outputOf(2, "gpioinfo\n"));
    expect(lines).toHaveLength(8);
    expect(lines[4]).toEqual({ chip: "gpiochip0", offset: 4, name: "door", output: false, consumer: null });
    expect(lines[7]?.name).toBeNull();
  });

  it("shows who holds a line", () => {
    const busy = parseGpioinfo(2, outputOf(2, "gpioinfo\n", 1));
    expect(busy[1]).toEqual({
      chip: "gpiochip0",
      offset: 1,
      name: "rain",
      output: false,
      consumer: "gpiomon",
    });
  });

  it("prints edges with nanoseconds, by chip and offset", () => {
    const lines = outputOf(2, "gpiomon -c gpiochip0 1 2").split("\n");
    const edges = lines.map((line) => parseEdge(2, line)).filter((edge) => edge !== null);
    expect(edges.map(({ offset, level }) => [offset, level])).toEqual([
      [1, 1],
      [1, 0],
      [1, 1],
      [1, 0],
      [2, 0],
      [2, 1],
    ]);
    expect(edges[5]?.stampMs).toBeCloseTo(12_689.233115, 6);
  });

  it("announces that it watches", () => {
    expect(outputOf(2, "gpiomon --banner").split("\n").filter(isBanner)).toEqual([
      "Monitoring lines 'rain', and 'button'...",
    ]);
  });

  it("reads levels", () => {
    expect(parseLevels(outputOf(2, "gpioget --numeric rain button"))).toEqual([0, 1]);
  });
});

it("takes the edges of the other version for none", () => {
  expect(parseEdge(2, "event:  RISING EDGE offset: 1 timestamp: [       5.898749214]")).toBeNull();
  expect(parseEdge(1, '11.256329945\trising\tgpiochip0 1 "rain"')).toBeNull();
});

it("never throws, whatever is printed", () => {
  fc.assert(
    fc.property(fc.string(), fc.constantFrom(1 as const, 2 as const), (text, version) => {
      parseEdge(version, text);
      parseGpioinfo(version, text);
      parseGpiodetect(text);
      parseLevels(text);
      parseVersion(text);
    }),
  );
});
