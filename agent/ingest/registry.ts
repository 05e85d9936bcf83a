// Which driver kinds there are, each loaded when a configuration names it: an agent that reads one serial port never pays for a broker.
// A new driver is a new file in drivers/ and one line here.
import type { ZodType } from "zod";
import type { Driver, DriverContext, DriverKind } from "#drivers/driver.ts";

/** A driver kind whose options' type is known only to itself. */
export interface LoadedKind {
  readonly kind: string;
  readonly schema: ZodType;
  /** `options` is what `schema` gave. */
  create(name: string, options: unknown, context: DriverContext): Driver;
}

/** For a schema that is used once or twice in a process: zod writes and compiles a program for each object otherwise, which takes longer than the parsing. */
export const ONCE = { jitless: true } as const;

const loaded = <Options>(kind: DriverKind<Options>): LoadedKind => ({
  kind: kind.kind,
  schema: kind.schema,
  create: (name, options, context) => kind.create(name, kind.schema.parse(options, ONCE), context),
});

export type KindLoader = () => Promise<LoadedKind>;

export const driverKinds: Readonly<Record<string, KindLoader>> = {
  simulator: async () => loaded((await import("#drivers/simulator.ts")).simulator),
  system: async () => loaded((await import("#drivers/system.ts")).system),
  serial: async () => loaded((await import("#drivers/serial.ts")).serial),
  tcp: async () => loaded((await import("#drivers/tcp.ts")).tcp),
  udp: async () => loaded((await import("#drivers/udp.ts")).udp),
  file: async () => loaded((await import("#drivers/file.ts")).file),
  mqtt: async () => loaded((await import("#drivers/mqtt.ts")).mqtt),
  broker: async () => loaded((await import("#drivers/broker.ts")).broker),
  gpio: async () => loaded((await import("#drivers/gpio.ts")).gpio),
};
