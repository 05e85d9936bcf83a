// The library entry `petrel/crypto/olm`: what a program needs of Olm. The ratchet's parts stay inside; docs/crypto.md has an example.
export { OlmAccount, type OneTimeKey } from "./account.ts";
export { type OlmMessage, OlmSession } from "./session.ts";
export { verifySignature } from "./signature.ts";
