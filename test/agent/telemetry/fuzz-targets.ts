// Fuzz targets of the packs: the bytes behind the compression, since nothing random is zlib data. Registered in test/crypto/fuzz/targets.ts.
import { deflateSync } from "node:zlib";
import { createColumnsBuilder } from "#agent/telemetry/columns/builder.ts";
import { MAGIC } from "#agent/telemetry/columns/format.ts";
import { decodeColumns } from "#agent/telemetry/columns/parse.ts";
import { TelemetryError } from "#agent/telemetry/errors.ts";
import type { PackBuilder } from "#agent/telemetry/pack/builder.ts";
import { inflateWhole } from "#agent/telemetry/pack/inflate.ts";
import { createSenmlBuilder } from "#agent/telemetry/pack/senml.ts";
import { decodeSenml } from "#agent/telemetry/pack/senml-parse.ts";
import type { PackReading } from "#agent/telemetry/received.ts";
import { Broken, type Bytes, type MakeTarget } from "#test/crypto/fuzz/harness.ts";

const SEEDS: readonly (readonly PackReading[])[] = [
  [{ name: "a", value: 1.5, unit: "V", timeMs: 1_700_000_000_000 }],
  Array.from({ length: 12 }, (_, index) => ({
    name: `c/${index % 3}`,
    value:
      [index / 10, index % 2 === 0, `text ${index % 4}`, Math.sqrt(index), Uint8Array.of(index), -0][
        index % 6
      ] ?? 0,
    timeMs: 1_700_000_000_000 + index * 100 + (index % 5),
  })),
];

const packed = (builder: PackBuilder, readings: readonly PackReading[]): Uint8Array => {
  for (const reading of readings) builder.add(reading);
  return builder.encode(builder.count);
};

const textOf = (readings: readonly PackReading[]): string =>
  JSON.stringify(readings, (_key, value: unknown) => (Object.is(value, -0) ? "-0" : value));

/** What is read is written again and must be read as the same. */
const target = (
  name: string,
  head: Uint8Array,
  build: () => PackBuilder,
  decode: (bytes: Uint8Array, count: number | null) => PackReading[],
): ReturnType<MakeTarget> => ({
  name,
  seeds: SEEDS.map(
    (readings): Bytes => new Uint8Array(inflateWhole(packed(build(), readings).subarray(head.length))),
  ),
  feed: (input) => {
    let readings: PackReading[];
    try {
      readings = decode(Buffer.concat([head, deflateSync(input)]), null);
    } catch (error) {
      if (error instanceof TelemetryError) return `refused: ${error.code}`;
      throw error;
    }
    if (readings.length === 0) return "nothing";
    const again = decode(packed(build(), readings), readings.length);
    if (textOf(again) !== textOf(readings))
      throw new Broken(`${name}: written again it is read as something else`);
    return textOf(readings);
  },
});

export const columns: MakeTarget = () =>
  target("telemetry-columns", MAGIC, createColumnsBuilder, decodeColumns);

export const senml: MakeTarget = () =>
  target("telemetry-senml", new Uint8Array(), createSenmlBuilder, decodeSenml);
