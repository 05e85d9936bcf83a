// The promises of acceptance, in as little time as an emulated machine allows. Runs in the guest; kernel.test.ts judges.
import { result, say } from "./report.ts";
import { killed, stamps, up, written } from "./scenes.ts";
import { createStage } from "./stage.ts";

const stage = createStage(
  { inputs: [{ name: "door", line: "door" }], outputs: [{ name: "pump", line: "pump" }] },
  say,
);
await up(stage);
await stamps(stage, 10);
await written(stage);
await killed(["libgpiod"]);
result("end", true);
