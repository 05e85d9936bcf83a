// Bounds of encryption in the agent, each with its reason. Those of the machine are in crypto/machine/limits.ts.

/** Rounds of sharing a room key before an event waits: query, claim, send and one more for whoever came meanwhile are four. */
export const SHARE_ROUNDS_MAX = 10;

/** An event whose room key cannot be shared now is looked at again this often, if nothing that happens wakes it earlier. */
export const SHARE_RETRY_MS = 30_000;

/** A request that the server refused and the machine keeps: an operator or an administrator has to do something, minutes do not matter. */
export const REFUSED_RETRY_MS = 300_000;

/** The machine is asked for what is due by time alone (a fallback key's week, a verification's end) this often, syncs or not. */
export const LOOK_EVERY_MS = 600_000;

/** Events that wait for their key; the oldest go. A backlog of a room that we came into late must not fill the disk. */
export const UNDECRYPTED_MAX = 500;

/** How long a message from a device that is not known waits for the answer to who that is. */
export const UNKNOWN_DEVICE_WAIT_MS = 10_000;

/** Bytes of JSON of a content that still fits into an encrypted event: (65,536 - 3,000 around it - 400 of m.room.encrypted) * 3/4 - 104 of Megolm - 600 around the plaintext, less what a relation costs twice. */
export const ENCRYPTED_CONTENT_BYTES_MAX = 45_000;

/** How often it is looked whether an event of the machine's own (a verification in a room) has left the outbox: somebody waits for it. */
export const ROOM_EVENT_LOOK_MS = 1_000;

/** The shortest and the longest life of a room key that can be configured. Each new one is a message to every device; an old one that is stolen reads all of its time. */
export const ROTATION_PERIOD_MS_MIN = 3_600_000;
export const ROTATION_PERIOD_MS_MAX = 2_592_000_000;

/** Members who are looked at in one transaction for whether they can read: some 50 us each. */
export const MEMBERS_PER_LOOK = 100;

/** Messages and events of one sync from which on they are decrypted ahead of its transaction: fewer take some 10 ms in it. */
export const REHEARSED_FROM = 15;

/** Of these in one slice: some 10 ms, five times that on a Pi. */
export const REHEARSED_PER_SLICE = 10;

/** How often it is tried while others change what it rests on; after that the transaction does the work, however long it takes. */
export const REHEARSALS_MAX = 3;
