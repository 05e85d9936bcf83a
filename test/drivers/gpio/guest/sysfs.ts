// The same promises through sysfs and onoff, but for the kernel's stamps, which sysfs has not. Runs in the guest; kernel.long.test.ts judges.
import { readdirSync, readFileSync } from "node:fs";
import { DOOR, PUMP } from "./chip.ts";
import { result, say } from "./report.ts";
import { killed, stamps, up, written } from "./scenes.ts";
import { createStage } from "./stage.ts";

const CLASS = "/sys/class/gpio";

const base = (): number => {
  const chips = readdirSync(CLASS).filter((name) => name.startsWith("gpiochip"));
  const chip = chips.find((name) => readFileSync(`${CLASS}/${name}/label`, "utf8").trim() === "edge-sim");
  return Number(readFileSync(`${CLASS}/${chip}/base`, "utf8"));
};

const first = base();
const stage = createStage(
  {
    backend: "sysfs",
    inputs: [{ name: "door", line: first + DOOR }],
    outputs: [{ name: "pump", line: first + PUMP }],
  },
  say,
);
result("up", await up(stage));
await stamps(stage, 10);
await written(stage);
await killed(["sysfs", String(first + PUMP)]);
result("end", true);
