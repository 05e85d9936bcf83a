// The mqtt driver against a real broker: Debian's mosquitto.
import type { DriverContext } from "#drivers/driver.ts";
import { mqtt } from "#drivers/mqtt.ts";
import { needs, which } from "#test/support/peers.ts";
import { testDriver } from "../conformance.ts";
import { createMosquitto, publish } from "./mosquitto.ts";
import { mqttOptions } from "./stage.ts";

needs("mosquitto", which("mosquitto"), (program) => {
  for (const version of ["3.1.1", "5"] as const) {
    testDriver(`mqtt ${version}`, {
      vanishes: true,
      writes: true,
      garbles: true,
      open: async () => {
        const broker = await createMosquitto(program);
        return {
          create: (context: DriverContext) =>
            mqtt.create("mqtt", mqttOptions(broker.port, { version }), context),
          appear: broker.start,
          vanish: broker.kill,
          // QoS 0: what emit breaks on is not offered again.
          produce: async () =>
            void (await publish(broker.port, "home/kitchen/temperature", "21.5", ["-q", "0"])),
          garble: async () =>
            void (await publish(broker.port, "home/kitchen/temperature", "warm", ["-q", "0"])),
          write: { target: "home/relay/set", payload: Buffer.from("on"), qos: 1 },
          dispose: broker.dispose,
        };
      },
    });
  }
});
