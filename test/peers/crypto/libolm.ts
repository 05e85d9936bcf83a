// libolm 3.2.15: PkEncryption, PkDecryption, PkSigning, SAS and Utility, behind calls.
import Olm from "@matrix-org/olm";
import { serve, toBytes, toText } from "./serve.ts";

await Olm.init();

const sas = new Map<number, Olm.SAS>();
const sasOf = (h: number): Olm.SAS => {
  const found = sas.get(h);
  if (found === undefined) throw new Error(`no SAS ${h}`);
  return found;
};

const using = <T extends { free(): void }, R>(thing: T, use: (thing: T) => R): R => {
  try {
    return use(thing);
  } finally {
    thing.free();
  }
};

serve({
  pkEncrypt: (recipient: string, plaintext: string) =>
    using(new Olm.PkEncryption(), (pk) => {
      pk.set_recipient_key(recipient);
      return pk.encrypt(plaintext);
    }),
  pkDecrypt: (secret: string, message: { ciphertext: string; mac: string; ephemeral: string }) =>
    using(new Olm.PkDecryption(), (pk) => {
      pk.init_with_private_key(toBytes(secret));
      return pk.decrypt(message.ephemeral, message.mac, message.ciphertext);
    }),
  pkPublicKey: (secret: string) =>
    using(new Olm.PkDecryption(), (pk) => pk.init_with_private_key(toBytes(secret))),
  pkGenerate: () =>
    using(new Olm.PkDecryption(), (pk) => ({
      publicKey: pk.generate_key(),
      secret: toText(pk.get_private_key()),
    })),
  sign: (seed: string, message: string) =>
    using(new Olm.PkSigning(), (pk) => ({
      publicKey: pk.init_with_seed(toBytes(seed)),
      signature: pk.sign(message),
    })),
  verify: (key: string, message: string, signature: string) =>
    using(new Olm.Utility(), (utility) => utility.ed25519_verify(key, message, signature)),
  sasNew: () => {
    const made = new Olm.SAS();
    sas.set(sas.size, made);
    return { h: sas.size - 1, publicKey: made.get_pubkey() };
  },
  sasTheirKey: (h: number, key: string) => sasOf(h).set_their_key(key),
  sasBytes: (h: number, info: string, length: number) => toText(sasOf(h).generate_bytes(info, length)),
  sasMac: (h: number, input: string, info: string) => sasOf(h).calculate_mac(input, info),
  sasMacFixed: (h: number, input: string, info: string) => sasOf(h).calculate_mac_fixed_base64(input, info),
});
