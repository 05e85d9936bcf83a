// What the tests of files share: an agent's client on a homeserver, and another's who reads what it uploaded.
import { randomBytes } from "node:crypto";
import { onTestFinished } from "vitest";
import type { MatrixClient } from "#agent/matrix/types.ts";
import type { MediaAccess } from "#agent/media/attachment.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { testRuntime } from "#test/agent/matrix/support.ts";

export interface TestAccess extends MediaAccess {
  readonly client: MatrixClient;
  readonly stop: () => void;
}

/** Delays are a thousandth of what they are. */
export const accessOf = (client: MatrixClient): TestAccess => {
  const aborter = new AbortController();
  onTestFinished(() => aborter.abort());
  const runtime = testRuntime(1000);
  return {
    client,
    provider: nodeProvider,
    runtime,
    signal: aborter.signal,
    stop: () => aborter.abort(),
  };
};

export const someBytes = (length: number): Uint8Array => new Uint8Array(randomBytes(length));

export const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.from(one).equals(other);
