// The machine's calls for secrets.
import type { JsonObject } from "../../shape.ts";
import type { Run } from "../context.ts";
import { requestSecrets } from "./gossip.ts";
import {
  createSecretStorage,
  fetchSecretStorage,
  type OpenResult,
  openSecretStorage,
  type SecretStorageState,
  type StorageKey,
  type StorageOptions,
  saveSecrets,
  secretStoragePassphrase,
  secretStorageState,
} from "./storage.ts";

export interface SecretCalls {
  /** Asks the server for our user's secret storage; answer the requests, then see `secretStorage`. */
  fetchSecretStorage(): void;
  secretStorage(): SecretStorageState;
  /** How its key is made of a passphrase; null where none opens it. For `stretchSecretStorageKey`, then `{ key }`. */
  secretStoragePassphrase(): JsonObject | null;
  /** Takes what is in it. A passphrase takes a second and more, in which nothing else runs: give `{ key }` instead. */
  openSecretStorage(key: StorageKey): OpenResult;
  /** Puts the secrets that we hold into it. */
  saveSecrets(key: StorageKey): OpenResult;
  /** @throws MachineError SECRET_STORAGE */
  createSecretStorage(options?: StorageOptions): {
    readonly recoveryKey: string;
    readonly secrets: readonly string[];
  };
  /** Asks our other verified devices for the secrets that are missing; their names. It is done by itself after a verification of our own. */
  requestSecrets(): readonly string[];
}

export function secretCalls(run: Run): SecretCalls {
  return {
    fetchSecretStorage: () => run(fetchSecretStorage),
    secretStorage: () => run(secretStorageState),
    secretStoragePassphrase: () => run(secretStoragePassphrase),
    openSecretStorage: (key) => run((context) => openSecretStorage(context, key)),
    saveSecrets: (key) => run((context) => saveSecrets(context, key)),
    createSecretStorage: (options) => run((context) => createSecretStorage(context, options ?? {})),
    requestSecrets: () => run((context) => requestSecrets(context, true)),
  };
}
