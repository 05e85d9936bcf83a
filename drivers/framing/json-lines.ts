// Framing `json-lines`: each line is one JSON text (RFC 8259); values are found by path (`from: battery.voltage`).
import * as z from "zod";
import { DriverError } from "../driver.ts";
import type { FramingKind } from "./framing.ts";
import { discarded } from "./line-splitter.ts";
import { createTextFraming, type LineOptions, lineShape } from "./lines.ts";

type Parsed = { readonly value: unknown } | { readonly wrong: string };

const parseJson = (text: string): Parsed => {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
};

const check = (payload: Uint8Array): void => {
  const parsed = parseJson(Buffer.from(payload).toString("utf8"));
  if ("wrong" in parsed) throw new DriverError("MALFORMED", `expected JSON to send: ${parsed.wrong}`);
};

export type JsonLinesOptions = LineOptions & { readonly type: "json-lines" };

export const jsonLines: FramingKind<JsonLinesOptions> = {
  type: "json-lines",
  schema: z.strictObject({
    type: z.literal("json-lines").describe("Each line is a JSON text; values are found by path."),
    ...lineShape,
  }),
  create: (options) => {
    const framing = createTextFraming(options, (text, bytes, line) => {
      const parsed = parseJson(text);
      return "wrong" in parsed
        ? discarded("malformed", bytes, line, `expected JSON: ${parsed.wrong}`)
        : { kind: "payload", payload: { kind: "tree", value: parsed.value }, bytes };
    });
    return {
      ...framing,
      encode: (payload) => {
        check(payload);
        return framing.encode(payload);
      },
    };
  },
};
