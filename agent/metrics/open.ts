// From the section `metrics` to what listens: nothing, unless an address is named.
import type { Log } from "#agent/runtime.ts";
import type { MetricsContext } from "./collect.ts";
import { type MetricsConfig, parseListen } from "./schema.ts";

export interface Closing {
  close(): Promise<void>;
}

const NOTHING: Closing = { close: () => Promise.resolve() };

/** Without its metrics the agent still does its work: an address that cannot be had is said, and left. */
export const openMetrics = async (
  { listen }: MetricsConfig,
  context: MetricsContext,
  log: Log,
): Promise<Closing> => {
  const address = listen === undefined ? null : parseListen(listen);
  if (address === null) return NOTHING;
  const [{ collect }, { serveMetrics }] = await Promise.all([import("./collect.ts"), import("./server.ts")]);
  try {
    const server = await serveMetrics(address, () => collect(context), log);
    log.info({ address: server.address }, "metrics are served");
    return server;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    log.error({}, `metrics.listen: no metrics at ${listen} (${why})`);
    return NOTHING;
  }
};
