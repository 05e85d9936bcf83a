// A process of its own that drives the pump until it is killed.
import { createStage, until } from "./stage.ts";

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const backend = process.argv[2] ?? "libgpiod";
const pump = backend === "sysfs" ? Number(process.argv[3]) : "pump";
const stage = createStage({ backend, outputs: [{ name: "pump", line: pump }] }, say);
await stage.driver.start();
await until(() => stage.states.at(-1)?.state === "up");
await stage.driver.write?.({ target: "pump", payload: Buffer.from("on") });
say("driving");
setInterval(() => undefined, 60_000);
