// Two accounts with a session between them, and small helpers for Olm's tests.
import { decodeBase64, encodeBase64 } from "#crypto/base64.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import type { OlmMessage, OlmSession } from "#crypto/olm/session.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { text } from "#test/crypto/support/formats.ts";

export interface Pair {
  readonly alice: OlmAccount;
  readonly bob: OlmAccount;
  /** Alice's side, which began. */
  readonly aliceSession: OlmSession;
  readonly bobSession: OlmSession;
  /** The pre-key message that began it; Bob has read it. */
  readonly first: OlmMessage;
}

/** Alice has sent one message, Bob has read it and not answered. */
export const pair = (provider: CryptoProvider = nodeProvider): Pair => {
  const alice = OlmAccount.create(provider);
  const bob = OlmAccount.create(provider);
  const { key } = bob.generateOneTimeKeys(1).created[0]!;
  bob.markKeysAsPublished();
  const aliceSession = alice.createOutboundSession(bob.curve25519, key);
  const first = aliceSession.encrypt("first");
  const { session } = bob.createInboundSession(alice.curve25519, first.body);
  return { alice, bob, aliceSession, bobSession: session, first };
};

/** As `pair`, after an answer: both sides send normal messages. */
export const established = (provider: CryptoProvider = nodeProvider): Pair => {
  const both = pair(provider);
  both.aliceSession.decrypt(both.bobSession.encrypt("answer"));
  return both;
};

export const read = (session: OlmSession, message: OlmMessage): string => text(session.decrypt(message));

/** The message with its bytes changed. */
export const altered = (message: OlmMessage, change: (bytes: Uint8Array) => Uint8Array): OlmMessage => ({
  type: message.type,
  body: encodeBase64(change(decodeBase64(message.body))),
});

/** A copy of the whole state, by value: equal before and after what must change nothing. */
export const snapshot = (holder: { exportState(): unknown }): string =>
  JSON.stringify(holder.exportState(), (_key, value: unknown) => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
    if (typeof value === "object" && value !== null && "exportSecret" in value) {
      const secret = value.exportSecret as () => Uint8Array;
      return Buffer.from(secret.call(value)).toString("hex");
    }
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
    }
    return value;
  });

/** What a call throws: its code. Fails when it throws nothing, or no CryptoError. */
export const codeOf = (call: () => unknown): string => {
  try {
    call();
  } catch (error) {
    if (error instanceof Error && error.name === "CryptoError" && "code" in error) return String(error.code);
    throw error;
  }
  throw new Error("expected a refusal, it was accepted");
};
