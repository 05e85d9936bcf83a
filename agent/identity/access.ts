// What the verbs about our user's identity need of a running, encrypted agent. agent/encryption gives it.
import type { JsonObject } from "#agent/matrix/types.ts";
import type { MachineCalls } from "#crypto/machine/machine.ts";
import type { Stretch } from "#crypto/secret-storage.ts";

export interface IdentityAccess {
  readonly userId: string;
  readonly deviceId: string;
  /** In a transaction of its own, durable when it resolves. */
  calls<T>(work: (calls: MachineCalls) => T): Promise<T>;
  /** Makes the requests that are due; false if some are left that wait. */
  settle(): Promise<boolean>;
  /** PBKDF2 on another thread. */
  readonly stretch: Stretch;
  /** A GET below the homeserver's address. */
  get(path: string): Promise<JsonObject>;
}
