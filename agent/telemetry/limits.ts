// Bounds of telemetry, each with its reason.

/**
 * Bytes that the readings of one plain event may take, a single one included. The homeserver's limit is 65,536 for the whole event, encryption
 * inflates by 4/3, and the event has fields of its own (name, stream, losses): 44,200 * 4/3 leaves 6,600 for them. 32,768 bytes in base64 fit.
 */
export const READINGS_BYTES_MAX = 44_200;

/** Latest time that a calendar can show (ECMA-262, "Time Values and Time Range"), in milliseconds: what is beyond it is no time of a sample. */
export const TIME_MS_MAX = 8_640_000_000_000_000;

/** Bytes of an event, canonical JSON with all that servers add (Matrix specification, client-server API, "Size limits"). */
export const EVENT_BYTES_MAX = 65_536;

/**
 * What an event has around its content, at the worst that is likely: names of 255 bytes for room, sender, and type (765), 20 prev_events and 10
 * auth_events of 48 bytes (1,440), hashes and signatures of two servers (400), age, depth, timestamps, keys and braces (400).
 */
export const AROUND_CONTENT_BYTES = 3_000;

/**
 * What the content of `m.room.encrypted` has around its ciphertext: algorithm, sender_key, device_id, session_id, and a relation of the outer event.
 */
export const ENCRYPTED_FIELDS_BYTES = 400;

/** Megolm around its ciphertext: version, index, lengths (16), MAC (8), signature (64), AES padding (16). */
export const MEGOLM_BYTES = 104;

/** What the plaintext of an encrypted event has around the content: type, room_id, keys and braces, names of 255 bytes. */
export const AROUND_PLAINTEXT_BYTES = 600;

/** Left free in each content for what is added behind the packer: the transaction ID, and fields that a later version may add. */
export const CONTENT_RESERVE_BYTES = 128;

/**
 * Readings in one pack. 262,144 readings are 55 minutes of a drone (80/s) or three days of a weather station (1/s), 25 MB as objects in a
 * reader's memory; a pack may claim no more, since constant columns take next to no bytes.
 */
export const PACK_READINGS_MAX = 262_144;

/** Bytes of a pack after inflating: 262,144 readings of SenML are 8 MB; texts and bytes of an attachment stay within it too. */
export const PACK_INFLATED_BYTES_MAX = 16_777_216;

/** Bytes of a pack as it travels in an attachment: what a reader downloads at most for one event. */
export const PACK_BYTES_MAX = 8_388_608;

/** Texts and bytes of all readings of a pack together, a repeated one each time: a dictionary must not make gigabytes out of one word. */
export const PACK_TEXT_BYTES_MAX = 67_108_864;

/** Bytes of a name or a unit inside a pack: the door takes names up to 256, an event's fields are of this order. */
export const PACK_NAME_BYTES_MAX = 4_096;

/** Members of one SenML record: RFC 8428 knows 14 labels; ten more may be somebody's own. */
export const SENML_FIELDS_MAX = 24;

/** Runs of losses in one event: the journal tells at most 200 per gap. */
export const LOST_RUNS_MAX = 10_000;
