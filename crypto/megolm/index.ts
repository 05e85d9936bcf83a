// The library entry `petrel/crypto/megolm`: what a program needs of Megolm. The ratchet's parts stay inside; docs/crypto.md has an example.
export { MegolmInboundSession, type SessionOrdering } from "./inbound.ts";
export { MegolmOutboundSession } from "./outbound.ts";
