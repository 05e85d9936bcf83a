// What the section `encryption` of the configuration says to the machine.
import type { MachineConfig } from "#crypto/machine/context.ts";
import type { EncryptionConfig } from "./schema.ts";

export const machineConfig = ({
  rotation,
  trusted,
}: EncryptionConfig): Omit<MachineConfig, "provider" | "userId" | "deviceId"> => ({
  trustedMasters: new Map(Object.entries(trusted)),
  ...(rotation === undefined
    ? {}
    : { rotation: { rotationMs: rotation.period, rotationMessages: rotation.messages } }),
});
