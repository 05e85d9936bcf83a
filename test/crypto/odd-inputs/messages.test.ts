// Odd encodings of Olm and Megolm messages under right MACs and signatures, and odd base64.
// Each row is one of the table in README.md; the other implementations' verdicts are asserted beside ours.
import type { Oracle } from "#test/peers/olm/protocol.ts";
import {
  type Bytes,
  concat,
  field,
  forgeMegolm,
  forgeOlm,
  fromBase64,
  type MegolmOdds,
  megolmSender,
  type OlmOdds,
  type PreKeyParts,
  preKeyLayout,
  preKeyParts,
  sessionKeyOf,
  toBase64,
  varint,
} from "./forge.ts";
import { accepts, type Case, compareAll, device, forger, oneTimeKey, set, takesOlm } from "./scene.ts";

type Verdicts = Omit<Case, "name" | "run">;

const LAX: Verdicts = { ours: "refused", libolm: "accepted", goolm: "accepted", vodozemac: "refused" };
const STRICT: Verdicts = { ours: "refused", libolm: "refused", goolm: "refused", vodozemac: "refused" };
const OPEN: Verdicts = { ours: "accepted", libolm: "accepted", goolm: "accepted", vodozemac: "accepted" };

const olm = (name: string, verdicts: Verdicts, odds: OlmOdds): Case => ({
  name: `Olm message: ${name}`,
  ...verdicts,
  run: (who) => takesOlm(who, (chain) => forgeOlm(chain, odds)),
});

const takesMegolm = async (
  who: Oracle,
  odds: MegolmOdds,
  change: (body: string) => string = (body) => body,
): Promise<boolean> => {
  const sender = megolmSender();
  const body = change(toBase64(forgeMegolm(sender, 0, odds)));
  const { h = "" } = await set(who, "group_inbound", { key: toBase64(sessionKeyOf(sender, 0)) });
  return accepts(who, "group_decrypt", { h, body });
};

const megolm = (name: string, verdicts: Verdicts, odds: MegolmOdds): Case => ({
  name: `Megolm message: ${name}`,
  ...verdicts,
  run: (who) => takesMegolm(who, odds),
});

/** A genuine first message of Alice's, its outer fields laid out anew; `change` works on the text. */
const preKey = (
  name: string,
  verdicts: Verdicts,
  layout: (parts: PreKeyParts) => Bytes,
  change: (body: string) => string = (body) => body,
): Case => ({
  name: `pre-key message: ${name}`,
  ...verdicts,
  run: async (who) => {
    const [alice, bob] = [await device(forger), await device(who)];
    const their_otk = await oneTimeKey(who, bob);
    const made = await set(forger, "session_outbound", {
      h: alice.h,
      their_identity: bob.identity,
      their_otk,
    });
    const { body = "" } = await set(forger, "encrypt", { h: made.h ?? "", pt: "first" });
    const odd = change(toBase64(layout(preKeyParts(fromBase64(body)))));
    return accepts(who, "session_inbound", { h: bob.h, their_identity: alice.identity, body: odd });
  },
});

const INDEX_2_32 = 2n ** 32n;

const olmCases: readonly Case[] = [
  olm("as it should be", OPEN, {}),
  olm("fields in the other order", LAX, {
    layout: ({ ratchetKey, index, ciphertext }) =>
      concat([3], field(0x22, ciphertext), [0x10], varint(index), field(0x0a, ratchetKey)),
  }),
  olm("a varint one byte too long", LAX, {
    layout: ({ ratchetKey, index, ciphertext }) =>
      concat([3], field(0x0a, ratchetKey), [0x10], varint(index, 1), field(0x22, ciphertext)),
  }),
  olm("an unknown field", LAX, {
    layout: ({ ratchetKey, index, ciphertext }) =>
      concat(
        [3],
        field(0x0a, ratchetKey),
        [0x10],
        varint(index),
        field(0x2a, Uint8Array.of(1)),
        field(0x22, ciphertext),
      ),
  }),
  olm("the index twice", LAX, {
    layout: ({ ratchetKey, index, ciphertext }) =>
      concat(
        [3],
        field(0x0a, ratchetKey),
        [0x10],
        varint(index),
        [0x10],
        varint(index),
        field(0x22, ciphertext),
      ),
  }),
  olm("no index", STRICT, {
    layout: ({ ratchetKey, ciphertext }) => concat([3], field(0x0a, ratchetKey), field(0x22, ciphertext)),
  }),
  olm(
    "an index of 11 bytes",
    { ...LAX, goolm: "refused" },
    {
      layout: ({ ratchetKey, index, ciphertext }) =>
        concat([3], field(0x0a, ratchetKey), [0x10], varint(index, 10), field(0x22, ciphertext)),
    },
  ),
  olm("an index 2^32 too great", LAX, {
    layout: ({ ratchetKey, index, ciphertext }) =>
      concat(
        [3],
        field(0x0a, ratchetKey),
        [0x10],
        varint(INDEX_2_32 + BigInt(index)),
        field(0x22, ciphertext),
      ),
  }),
  olm("a field number of 0", LAX, {
    layout: ({ ratchetKey, index, ciphertext }) =>
      concat(
        [3],
        field(0x0a, ratchetKey),
        [0x10],
        varint(index),
        field(0x02, Uint8Array.of(1)),
        field(0x22, ciphertext),
      ),
  }),
  olm("a tag of two bytes", LAX, {
    layout: ({ ratchetKey, index, ciphertext }) =>
      concat(
        [3],
        field(0x0a, ratchetKey),
        [0x10],
        varint(index),
        [0x82, 0x01],
        varint(1),
        [1],
        field(0x22, ciphertext),
      ),
  }),
  olm(
    "bytes after the last field",
    { ...STRICT, libolm: "accepted" },
    {
      layout: ({ ratchetKey, index, ciphertext }) =>
        concat([3], field(0x0a, ratchetKey), [0x10], varint(index), field(0x22, ciphertext), [0xff]),
    },
  ),
  olm("version 4", STRICT, {
    layout: ({ ratchetKey, index, ciphertext }) =>
      concat([4], field(0x0a, ratchetKey), [0x10], varint(index), field(0x22, ciphertext)),
  }),
  olm("version 2", STRICT, {
    layout: ({ ratchetKey, index, ciphertext }) =>
      concat([2], field(0x0a, ratchetKey), [0x10], varint(index), field(0x22, ciphertext)),
  }),
  olm("a ratchet key of 31 bytes", STRICT, {
    layout: ({ ratchetKey, index, ciphertext }) =>
      concat([3], field(0x0a, ratchetKey.slice(0, 31)), [0x10], varint(index), field(0x22, ciphertext)),
  }),
  olm("padding of zeros", LAX, { plaintext: "x".repeat(16), padding: new Array(16).fill(0) }),
  olm("padding whose bytes differ", LAX, { plaintext: "x".repeat(13), padding: [1, 2, 3] }),
  olm("padding longer than a block", STRICT, { plaintext: "x".repeat(15), padding: [17] }),
  olm("an empty ciphertext", { ...LAX, goolm: "refused" }, { ciphertext: new Uint8Array(0) }),
  // What libolm says here depends on what lay in its memory.
  olm(
    "a ciphertext of 15 bytes",
    { ours: "refused", goolm: "refused", vodozemac: "refused" },
    { ciphertext: new Uint8Array(15) },
  ),
  olm("no MAC", STRICT, { macBytes: 0 }),
  olm("a MAC of 7 bytes", STRICT, { macBytes: 7 }),
  olm("a MAC of 32 bytes", STRICT, { macBytes: 32 }),
];

/** A genuine message whose index is written otherwise on its way: the sender signed the right encoding. */
const rewritten = (name: string, verdicts: Verdicts, index: Uint8Array): Case => ({
  name: `Megolm message on its way: ${name}`,
  ...verdicts,
  run: (who) =>
    takesMegolm(who, {}, (body) => {
      const bytes = fromBase64(body);
      // version, tag, the index 0 as one byte
      return toBase64(concat(bytes.slice(0, 2), index, bytes.slice(3)));
    }),
});

const ANEW: Verdicts = { ...STRICT, vodozemac: "accepted" };

const megolmCases: readonly Case[] = [
  rewritten("the index as it was", OPEN, varint(0)),
  rewritten("the index one byte longer", ANEW, varint(0, 1)),
  rewritten("the index 2^32 greater", ANEW, varint(INDEX_2_32)),
  megolm("as it should be", OPEN, {}),
  megolm("an empty plaintext", OPEN, { plaintext: "" }),
  megolm("fields in the other order", LAX, {
    layout: ({ index, ciphertext }) => concat([3], field(0x12, ciphertext), [0x08], varint(index)),
  }),
  megolm("a varint one byte too long", LAX, {
    layout: ({ index, ciphertext }) => concat([3], [0x08], varint(index, 1), field(0x12, ciphertext)),
  }),
  megolm("an unknown field", LAX, {
    layout: ({ index, ciphertext }) => concat([3], [0x08], varint(index), [0x18, 1], field(0x12, ciphertext)),
  }),
  megolm("the index twice", LAX, {
    layout: ({ index, ciphertext }) =>
      concat([3], [0x08], varint(index), [0x08], varint(index), field(0x12, ciphertext)),
  }),
  megolm("no index", STRICT, { layout: ({ ciphertext }) => concat([3], field(0x12, ciphertext)) }),
  megolm(
    "an index of 11 bytes",
    { ...LAX, goolm: "refused" },
    {
      layout: ({ index, ciphertext }) => concat([3], [0x08], varint(index, 10), field(0x12, ciphertext)),
    },
  ),
  megolm("an index 2^32 too great", LAX, {
    layout: ({ ciphertext }) => concat([3], [0x08], varint(INDEX_2_32), field(0x12, ciphertext)),
  }),
  megolm("a field number of 0", LAX, {
    layout: ({ index, ciphertext }) =>
      concat([3], [0x08], varint(index), field(0x02, Uint8Array.of(1)), field(0x12, ciphertext)),
  }),
  megolm("a tag of two bytes", LAX, {
    layout: ({ index, ciphertext }) =>
      concat([3], [0x08], varint(index), [0x82, 0x01], [1, 1], field(0x12, ciphertext)),
  }),
  megolm("version 4", STRICT, {
    layout: ({ index, ciphertext }) => concat([4], [0x08], varint(index), field(0x12, ciphertext)),
  }),
  megolm("padding of zeros", LAX, { plaintext: "x".repeat(16), padding: new Array(16).fill(0) }),
  megolm("padding whose bytes differ", LAX, { plaintext: "x".repeat(13), padding: [1, 2, 3] }),
  megolm("an empty ciphertext", { ...LAX, goolm: "refused" }, { ciphertext: new Uint8Array(0) }),
  megolm("no MAC", STRICT, { macBytes: 0 }),
  megolm("a MAC of 7 bytes", STRICT, { macBytes: 7 }),
  megolm("a MAC of 32 bytes", STRICT, { macBytes: 32 }),
  megolm("a signature of zeros", STRICT, { signature: () => new Uint8Array(64) }),
  megolm("a signature of 63 bytes", STRICT, { signature: (genuine) => genuine.slice(0, 63) }),
];

const preKeyCases: readonly Case[] = [
  preKey("as it should be", OPEN, preKeyLayout),
  preKey("fields in goolm's order: 0a 1a 12 22", OPEN, ({ oneTimeKey, baseKey, identityKey, message }) =>
    concat(
      [3],
      field(0x0a, oneTimeKey),
      field(0x1a, identityKey),
      field(0x12, baseKey),
      field(0x22, message),
    ),
  ),
  preKey("an unknown field", OPEN, (parts) => concat(preKeyLayout(parts), field(0x2a, Uint8Array.of(1, 2)))),
  preKey("an unknown number", OPEN, (parts) => concat(preKeyLayout(parts), [0x28, 5])),
  preKey("version 4", { ...LAX, goolm: "refused" }, (parts) => concat([4], preKeyLayout(parts).slice(1))),
  preKey("no identity key", { ...STRICT, goolm: "accepted" }, ({ oneTimeKey, baseKey, message }) =>
    concat([3], field(0x0a, oneTimeKey), field(0x12, baseKey), field(0x22, message)),
  ),
  preKey("no base key", STRICT, ({ oneTimeKey, identityKey, message }) =>
    concat([3], field(0x0a, oneTimeKey), field(0x1a, identityKey), field(0x22, message)),
  ),
  preKey("a one-time key of 33 bytes", STRICT, (parts) =>
    preKeyLayout({ ...parts, oneTimeKey: concat(parts.oneTimeKey, [0]) }),
  ),
  preKey("no message", STRICT, ({ oneTimeKey, baseKey, identityKey }) =>
    concat([3], field(0x0a, oneTimeKey), field(0x12, baseKey), field(0x1a, identityKey)),
  ),
];

const padded = (text: string): string => text + "=".repeat((4 - (text.length % 4)) % 4);
/** Sets a bit that no byte holds. */
const stray = (text: string): string => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return text.slice(0, -1) + (alphabet[alphabet.indexOf(text.at(-1) ?? "A") | 1] ?? "");
};

/**
 * The random part of a message may hold no `+`; then a `-` stands at a place where it is as wrong. A `_` for a `/` alone would not do: libolm reads a foreign
 * character as all ones, which is what a `/` stands for.
 */
const urlSafe = (body: string): string => {
  const changed = body.replaceAll("+", "-").replaceAll("/", "_");
  return changed.includes("-") ? changed : `-${changed.slice(1)}`;
};

const base64 = (name: string, verdicts: Verdicts, change: (body: string) => string): Case => ({
  name: `base64: ${name}`,
  ...verdicts,
  // 109 bytes: one more than whole groups, so there is padding to write, and bits to stray into.
  run: (who) => takesMegolm(who, { plaintext: "x".repeat(20) }, change),
});

const base64Cases: readonly Case[] = [
  base64(
    "right padding",
    { ours: "accepted", libolm: "refused", goolm: "refused", vodozemac: "accepted" },
    padded,
  ),
  base64("one = too many", STRICT, (body) => `${padded(body)}=`),
  base64("padding where none belongs", STRICT, (body) => `${body.slice(0, 4)}=${body.slice(4)}`),
  base64("a space within", STRICT, (body) => `${body.slice(0, 10)} ${body.slice(10)}`),
  base64("a line feed at the end", { ...STRICT, goolm: "accepted" }, (body) => `${body}\n`),
  base64("the URL-safe alphabet", STRICT, urlSafe),
  base64("a bit that no byte holds", { ...LAX }, stray),
  base64("a lone character", STRICT, (body) => `${body}A`),
  base64("nothing", STRICT, () => ""),
];

compareAll("Olm messages", olmCases);
compareAll("Megolm messages", megolmCases);
compareAll("pre-key messages", preKeyCases);
compareAll("base64", base64Cases);
