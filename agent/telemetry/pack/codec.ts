// The encodings of packs, by the names that an event gives them.
import { createColumnsBuilder } from "../columns/builder.ts";
import { COLUMNS_ENCODING } from "../columns/format.ts";
import { decodeColumns } from "../columns/parse.ts";
import { TelemetryError } from "../errors.ts";
import type { PackReading } from "../received.ts";
import type { PackBuilder } from "./builder.ts";
import { createSenmlBuilder, SENML_ENCODING } from "./senml.ts";
import { decodeSenml } from "./senml-parse.ts";

interface Codec {
  readonly build: () => PackBuilder;
  readonly decode: (bytes: Uint8Array, count: number | null) => PackReading[];
}

const CODECS: ReadonlyMap<string, Codec> = new Map([
  [COLUMNS_ENCODING, { build: createColumnsBuilder, decode: decodeColumns }],
  [SENML_ENCODING, { build: createSenmlBuilder, decode: decodeSenml }],
]);

export const isKnownEncoding = (encoding: string): boolean => CODECS.has(encoding);

const codecOf = (encoding: string): Codec => {
  const codec = CODECS.get(encoding);
  if (codec === undefined)
    throw new TelemetryError(
      "ENCODING",
      `telemetry: there is no encoding "${encoding}"; there are ${[...CODECS.keys()].join(", ")}`,
    );
  return codec;
};

export const createBuilder = (encoding: string): PackBuilder => codecOf(encoding).build();

/** The readings of a pack, in order. `count`: how many there must be, where that is known. Throws `TelemetryError`. */
export const decodePack = (encoding: string, bytes: Uint8Array, count: number | null): PackReading[] =>
  codecOf(encoding).decode(bytes, count);
