// Fuzz targets for Megolm messages, session keys and exports.
import { encodeBase64 } from "#crypto/base64.ts";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { pickleInboundGroup } from "#crypto/pickle/libolm.ts";
import { Broken, type Bytes, type MakeTarget, sameBytes, unchangedIfRefused } from "../harness.ts";

const KEY: Uint8Array = new Uint8Array(32).fill(1);
const fromBase64 = (body: string): Bytes => new Uint8Array(Buffer.from(body, "base64"));

export const megolmMessageTarget: MakeTarget = (provider) => {
  const outbound = MegolmOutboundSession.create(provider);
  const inbound = MegolmInboundSession.fromSessionKey(provider, outbound.sessionKey());
  const messages = ["", "one", "two", "x".repeat(300)].map((pt) => fromBase64(outbound.encrypt(pt)));
  const genuine = new Set(messages.map((bytes) => encodeBase64(bytes)));
  // Taking a message may advance the latest ratchet and mark the key as verified: done once, then nothing changes.
  for (const message of messages) inbound.decrypt(encodeBase64(message));
  return {
    name: "megolm-message",
    seeds: messages,
    feed: (input) =>
      unchangedIfRefused(
        () => pickleInboundGroup(provider, inbound, KEY),
        () => {
          const body = encodeBase64(input);
          const { plaintext, messageIndex } = inbound.decrypt(body);
          if (!genuine.has(body)) throw new Broken("a forged Megolm message was taken");
          return `${messageIndex} ${encodeBase64(plaintext)}`;
        },
      ),
  };
};

export const sessionKeyTarget: MakeTarget = (provider) => {
  const outbound = MegolmOutboundSession.create(provider);
  const keys = [outbound.sessionKey()];
  for (let i = 0; i < 300; i += 1) outbound.encrypt("x");
  keys.push(outbound.sessionKey());
  return {
    name: "megolm-session-key",
    seeds: keys.map(fromBase64),
    feed: (input) => {
      const text = encodeBase64(input);
      const session = MegolmInboundSession.fromSessionKey(provider, text);
      if (!keys.includes(text)) throw new Broken("a forged session key was taken");
      return `${session.sessionId} ${session.firstKnownIndex}`;
    },
  };
};

export const sessionExportTarget: MakeTarget = (provider) => {
  const outbound = MegolmOutboundSession.create(provider);
  const session = MegolmInboundSession.fromSessionKey(provider, outbound.sessionKey());
  const genuine = fromBase64(outbound.encrypt("genuine"));
  return {
    name: "megolm-export",
    seeds: [0, 1, 300, 70_000].map((index) => fromBase64(session.exportAt(index))),
    feed: (input) => {
      const made = MegolmInboundSession.fromExport(provider, encodeBase64(input));
      const again = fromBase64(made.exportAt(made.firstKnownIndex));
      sameBytes(input, again, "session export");
      if (made.signingKeyVerified) throw new Broken("an unsigned export counts as verified");
      return `${made.sessionId} ${made.firstKnownIndex} ${canRead(made, genuine)}`;
    },
  };
};

const canRead = (session: MegolmInboundSession, message: Bytes): boolean => {
  try {
    session.decrypt(encodeBase64(message));
    return true;
  } catch {
    return false;
  }
};
