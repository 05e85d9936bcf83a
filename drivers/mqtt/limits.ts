// The bounds of the mqtt driver, with their reasons.

/**
 * Messages that wait for their readings to be durable, before reading from the socket pauses. 32 share one disk sync in the benchmark; brokers keep to
 * `receive_maximum` (MQTT 5) or to their own window (mosquitto: 20), so only a flood of QoS 0 gets near this.
 */
export const DELIVERIES_HELD_MAX = 256;
/** The window asked of an MQTT 5 broker: enough to share a disk sync, small enough that little is sent again after a lost connection. */
export const RECEIVE_MAXIMUM_DEFAULT = 32;
export const RECEIVE_MAXIMUM_MAX: number = DELIVERIES_HELD_MAX;
/** One packet, in either direction: a payload beyond this never fits into an event. */
export const PACKET_BYTES_MAX = 262_144;
/** Filters of one driver: all must fit into one SUBSCRIBE of a size that small brokers take. */
export const SUBSCRIPTIONS_MAX = 128;
/** Publishes that wait for the broker's acknowledgement. Further ones are refused (BUSY): the queue is the agent's outbox, not the library's memory. */
export const WRITES_IN_FLIGHT_MAX = 64;
/** How long a publish waits for its acknowledgement. Longer than a round trip over a satellite, shorter than an operator's patience. */
export const WRITE_TIMEOUT_MS = 15_000;
/** TCP, TLS and CONNACK together; a handshake on a slow board takes seconds. */
export const CONNECT_TIMEOUT_MS = 30_000;
/** What a stop grants to messages whose readings are about to be durable, so that they can be acknowledged. */
export const STOP_DRAIN_MS = 2_000;
/** What a stop grants to the closing handshake. */
export const STOP_CLOSE_MS = 1_000;
/** How long a broker keeps a persistent session (MQTT 5): a device may be off for a week. */
export const SESSION_EXPIRY_S = 604_800;
