// All fuzz targets, one per decoder.
import * as telemetry from "#test/agent/telemetry/fuzz-targets.ts";
import type { MakeTarget } from "./harness.ts";
import * as formats from "./targets/formats.ts";
import * as machine from "./targets/machine.ts";
import * as machineHistory from "./targets/machine-history.ts";
import * as megolm from "./targets/megolm.ts";
import * as olm from "./targets/olm.ts";
import * as pickles from "./targets/pickles.ts";

export const TARGETS: readonly MakeTarget[] = [
  olm,
  megolm,
  pickles,
  formats,
  telemetry,
  machine,
  machineHistory,
].flatMap((file) => Object.values(file));
