// The alarms of a configuration, made ready for the journal: their rules, their rooms as far as an earlier run knew them.
import type { Config } from "#agent/config/config.ts";
import { knownRoom } from "#agent/rooms/rooms.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import type { ClockState } from "#agent/telemetry/reading.ts";
import { rulesOf } from "./rule.ts";
import { AlarmWatch } from "./watch.ts";

export interface AlarmsContext {
  readonly config: Pick<Config, "channels" | "commands" | "device" | "rooms">;
  readonly runtime: Runtime;
  readonly store: Store;
  readonly bootId: string;
  readonly clock: { state(): ClockState };
}

export const openAlarms = async (
  { bootId, clock, config, runtime, store }: AlarmsContext,
  namespace: string,
): Promise<AlarmWatch> => {
  const data = knownRoom(store, config, "data");
  const people = knownRoom(store, config, "people");
  const watch = new AlarmWatch({
    runtime,
    store,
    rules: rulesOf(config.channels, config.rooms.operators),
    device: config.device.name,
    namespace,
    prefix: config.commands.prefix,
    rooms: data === null || people === null ? null : { data: data.roomId, people: people.roomId },
    boot: bootId,
    clockState: () => clock.state(),
  });
  await watch.start();
  return watch;
};
