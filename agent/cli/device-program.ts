// The verb `device`: its options and help. program.ts adds it.
import { Argument } from "commander";
import type { DeviceAction, DeviceOptions } from "./device.ts";
import type { Wiring } from "./program.ts";

const ACTIONS: readonly DeviceAction[] = ["show", "moved", "reset"];

export const addDevice = ({ does, outside, program }: Wiring): void => {
  program
    .command("device")
    .description("which device this store is; after its card was moved or copied: what is to become of it")
    .addArgument(new Argument("<action>", "what to do").choices(ACTIONS))
    .option("--yes", "do it; without, moved and reset only say what they would do")
    .option("--keep-old", "reset: leave the old device logged in, for the board that goes on with it")
    .option("--token", "reset: read an access token of another device instead of a password")
    .option("--json", "for scripts: JSON instead of text")
    .action((action: DeviceAction, options: DeviceOptions) =>
      does(async (config) => (await import("./device.ts")).device(outside, config, action, options)),
    );
};
