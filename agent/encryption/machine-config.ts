// What the section `encryption` of the configuration says to the machine.
import type { MachineConfig } from "#crypto/machine/context.ts";
import type { EncryptionConfig } from "./schema.ts";

export const machineConfig = ({
  blocked = {},
  forwarding,
  rotation,
  trusted,
}: EncryptionConfig): Omit<MachineConfig, "provider" | "userId" | "deviceId"> => ({
  trustedMasters: new Map(Object.entries(trusted)),
  blockedDevices: new Map(Object.entries(blocked).map(([userId, devices]) => [userId, new Set(devices)])),
  keyForwarding: { asks: forwarding?.ask ?? false, answers: forwarding?.answer ?? false },
  ...(rotation === undefined
    ? {}
    : { rotation: { rotationMs: rotation.period, rotationMessages: rotation.messages } }),
});
