// matrix-js-sdk 43: secret storage on WebCrypto, recovery keys and passphrases, behind calls.
import { deriveRecoveryKeyFromPassphrase } from "matrix-js-sdk/lib/crypto-api/key-passphrase.js";
import { decodeRecoveryKey, encodeRecoveryKey } from "matrix-js-sdk/lib/crypto-api/recovery-key.js";
import decryptItem from "matrix-js-sdk/lib/utils/decryptAESSecretStorageItem.js";
import encryptItem from "matrix-js-sdk/lib/utils/encryptAESSecretStorageItem.js";
import { serve, toBytes, toText } from "./serve.ts";

serve({
  encryptSecret: (key: string, name: string, secret: string) => encryptItem(secret, toBytes(key), name),
  decryptSecret: (key: string, name: string, data: { iv: string; ciphertext: string; mac: string }) =>
    decryptItem(data, toBytes(key), name),
  // How matrix-js-sdk checks a key: a secret without a name, of zero bytes, under the description's IV.
  keyCheck: async (key: string, iv: string) => (await encryptItem("\0".repeat(32), toBytes(key), "", iv)).mac,
  encodeRecoveryKey: (key: string) => encodeRecoveryKey(toBytes(key)),
  decodeRecoveryKey: (text: string) => toText(decodeRecoveryKey(text)),
  fromPassphrase: async (passphrase: string, salt: string, iterations: number) =>
    toText(await deriveRecoveryKeyFromPassphrase(passphrase, salt, iterations)),
});
