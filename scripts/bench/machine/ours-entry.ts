// What the bench `machine` bundles: the machine, its two stores, and what reads a key file.
export { createMachineStore } from "#agent/encryption/machine-store.ts";
export { parseExportedSession } from "#crypto/exported-session.ts";
export { createMachine } from "#crypto/machine/machine.ts";
export { createMemoryStore } from "#crypto/machine/store/memory.ts";
export { nodeProvider } from "#crypto/provider/node.ts";
