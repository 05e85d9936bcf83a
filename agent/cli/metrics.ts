// `petrel metrics`: the running agent's metrics, as a Prometheus gets them.
import { askAgent } from "#agent/control/client.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asObject, asString, field } from "#agent/matrix/json.ts";
import type { Outside } from "#agent/outside.ts";
import { loadSetting, socketOf } from "./setting.ts";

export interface MetricsOptions {
  readonly openmetrics?: boolean;
}

export const metrics = async (
  outside: Outside,
  configFile: string | undefined,
  { openmetrics = false }: MetricsOptions,
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  const answer = await askAgent(socketOf(setting), { verb: "metrics", args: { openmetrics } });
  if (answer === null)
    throw new CliError(EXIT.notRunning, "no agent runs with this configuration; `petrel run` starts one");
  outside.stdout.write(asString(field(asObject(answer.result) ?? {}, "text")) ?? "");
  return EXIT.ok;
};
