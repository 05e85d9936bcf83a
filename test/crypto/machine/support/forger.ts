// A device that can lie in every field of what it sends: the session of a real one, in the test's hands.
import { OlmAccount } from "#crypto/olm/account.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { signJson } from "#crypto/signed-json.ts";
import type { Server } from "./server.ts";
import type { Ours } from "./world.ts";

export interface Forger {
  readonly user: string;
  readonly curve25519: string;
  /** A plaintext in which every claim holds. */
  readonly honest: JsonObject;
  /** Its device keys, unsigned. */
  readonly keys: JsonObject & { readonly keys: Readonly<Record<string, string>> };
  signed(object: JsonObject): JsonObject;
  /** The to-device event of a plaintext; text is sent as it is. */
  event(plaintext: unknown, sender?: string): JsonObject;
  /** Keys that are not its own. */
  readonly other: OlmAccount;
}

/** With a session to a device whose keys are on the server. */
export const forger = (server: Server, to: Ours, user = "@mallory:example.org"): Forger => {
  const account = OlmAccount.create(nodeProvider);
  const { signingKey } = account.exportState();
  const keys = {
    user_id: user,
    device_id: "MALLORY",
    algorithms: ["m.olm.v1.curve25519-aes-sha2"],
    keys: { "curve25519:MALLORY": account.curve25519, "ed25519:MALLORY": account.ed25519 },
  };
  const signed = (object: JsonObject): JsonObject => signJson(object, user, "ed25519:MALLORY", signingKey);
  const victim = to.in((calls) => calls.setUp());
  const oneTime = [
    ...(server.oneTimeKeys.get(JSON.stringify([to.config.userId, to.config.deviceId]))?.values() ?? []),
  ];
  const session = account.createOutboundSession(victim.curve25519, (oneTime[0] as { key: string }).key);
  const honest = {
    type: "x",
    content: {},
    sender: user,
    recipient: to.config.userId,
    recipient_keys: { ed25519: victim.ed25519 },
    keys: { ed25519: account.ed25519 },
    sender_device_keys: signed(keys),
  };
  const event = (plaintext: unknown, sender = user): JsonObject => {
    const message = session.encrypt(typeof plaintext === "string" ? plaintext : JSON.stringify(plaintext));
    return {
      type: "m.room.encrypted",
      sender,
      content: {
        algorithm: "m.olm.v1.curve25519-aes-sha2",
        sender_key: account.curve25519,
        ciphertext: { [victim.curve25519]: message },
      },
    };
  };
  return {
    user,
    curve25519: account.curve25519,
    honest,
    keys,
    signed,
    event,
    other: OlmAccount.create(nodeProvider),
  };
};

/** Its own signed keys inside, changed before they were signed. */
export const withKeys = ({ keys, signed, honest }: Forger, changed: JsonObject): JsonObject => ({
  ...honest,
  sender_device_keys: signed({ ...keys, ...changed }),
});

/** Every way in which a message may say of itself what is not so: its name, and the plaintext. */
export const LIES: readonly (readonly [name: string, lie: (mallory: Forger) => unknown])[] = [
  ["another sender", ({ honest }) => ({ ...honest, sender: "@alice:example.org" })],
  ["another recipient", ({ honest }) => ({ ...honest, recipient: "@alice:example.org" })],
  [
    "another recipient key",
    ({ honest, other }) => ({ ...honest, recipient_keys: { ed25519: other.ed25519 } }),
  ],
  ["no recipient key", ({ honest }) => ({ ...honest, recipient_keys: {} })],
  ["another sender key", ({ honest, other }) => ({ ...honest, keys: { ed25519: other.ed25519 } })],
  ["no sender key", ({ honest }) => ({ ...honest, keys: undefined })],
  ["no type", ({ honest }) => ({ ...honest, type: 5 })],
  ["content that is a list", ({ honest }) => ({ ...honest, content: [] })],
  [
    "device keys of another user (CVE-2026-45056)",
    (mallory) => withKeys(mallory, { user_id: "@alice:example.org" }),
  ],
  [
    "device keys with another Curve25519 key",
    (mallory) =>
      withKeys(mallory, { keys: { ...mallory.keys.keys, "curve25519:MALLORY": mallory.other.curve25519 } }),
  ],
  [
    "device keys with another Ed25519 key",
    (mallory) =>
      withKeys(mallory, { keys: { ...mallory.keys.keys, "ed25519:MALLORY": mallory.other.ed25519 } }),
  ],
  ["device keys without a signature", ({ honest, keys }) => ({ ...honest, sender_device_keys: keys })],
  [
    "device keys altered after signing",
    ({ honest }) => ({
      ...honest,
      sender_device_keys: {
        ...(honest["sender_device_keys"] as JsonObject),
        algorithms: ["m.megolm.v1.aes-sha2"],
      },
    }),
  ],
  ["device keys that are null", ({ honest }) => ({ ...honest, sender_device_keys: null })],
  ["device keys under another device ID", (mallory) => withKeys(mallory, { device_id: "BOB" })],
  [
    "device keys with members hidden in a prototype",
    ({ honest }) =>
      JSON.stringify({ ...honest, keys: 1 }).replace(
        '"keys":1',
        `"__proto__":${JSON.stringify({ keys: honest["keys"] })}`,
      ),
  ],
  ["no JSON", () => "hello"],
  ["JSON null", () => "null"],
];
