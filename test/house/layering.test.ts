import { expect, it } from "vitest";
import { sourceFiles } from "./files.ts";
import { layeringViolations } from "./layering.ts";

it("keeps the import directions of the design", () => {
  expect(layeringViolations(sourceFiles("."))).toEqual([]);
});

const seeded = (path: string, text: string): string[] => layeringViolations([{ path, text }]);

it.each([
  ["crypto/olm/a.ts", 'import { x } from "#agent/store/store.ts";', "agent/store/store.ts"],
  ["crypto/olm/a.ts", 'import { x } from "node:fs";', "node:fs"],
  ["drivers/gpio.ts", 'import type { X } from "#agent/runtime.ts";', "agent/runtime.ts"],
  ["drivers/gpio.ts", 'const mqtt = await import("./mqtt.ts");', "never import each other"],
  ["firmware-bridge/frame.ts", 'import { x } from "#drivers/serial.ts";', "drivers/serial.ts"],
  ["agent/x.ts", 'import { x } from "#test/homeserver/server.ts";', "test/homeserver"],
  ["agent/x.ts", "const now = Date.now();", "the real clock"],
  ["agent/x.ts", "setTimeout(f, 1);", "real timers"],
  ["drivers/x.ts", "const home = process.env;", "process"],
  ["crypto/x.ts", "const a = Math.random();", "real randomness"],
])("refuses a wrong-way import or a touch of the world: %s %s", (path, text, what) => {
  expect(seeded(path, text).join("\n")).toContain(what);
});

it("lets the composition root touch the world", () => {
  expect(seeded("agent/main.ts", "const now = Date.now();\nprocess.exit(1);")).toEqual([]);
});
