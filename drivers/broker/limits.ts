// The bounds of the embedded broker, with their reasons.

/** Connections at once: sensors of one site. Each costs about 60 KB. */
export const CLIENTS_DEFAULT = 64;
export const CLIENTS_MAX = 1_024;
/** One packet of a client: a larger payload never fits into an event. */
export const PACKET_BYTES_DEFAULT = 65_536;
export const PACKET_BYTES_MAX = 262_144;
/** Retained messages: they live in memory, one per topic, until somebody clears them. */
export const RETAINED_TOPICS_MAX = 1_024;
/** A socket that does not say CONNECT within this is closed: it takes a place of `clients_max`. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** A client that does not read what it subscribed to is dropped after this: what waits for it is in memory. */
export const DRAIN_TIMEOUT_MS = 15_000;
/** Exchanges of QoS 2 that one client may leave half done. */
export const HALF_DONE_MAX = 64;
/** Messages of all clients whose readings are not durable yet; further ones wait in their sockets. */
export const DELIVERIES_HELD_MAX = 256;
/** What a stop grants to messages whose readings are about to be durable. */
export const STOP_DRAIN_MS = 2_000;
export const USERS_MAX = 256;
export const RULES_MAX = 64;
