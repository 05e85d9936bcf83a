// How many of the readings that wait go into one event, and as what (DESIGN 4 and 5): the most that fit. Pure; what the packer calls.
//
// Bytes. An event is at most 65,536 bytes with all that servers add (about 3,000). In clear: content + that. Encrypted, the content is JSON inside a
// ciphertext that is base64 in turn: plaintext = content + 600; megolm = plaintext + 104; in the event: megolm * 4/3 + 400. A pack is base64 in the content
// first, so in an encrypted event each of its bytes takes 4/3 * 4/3 = 16/9:
//
//     in clear    65,536 - 3,000 = 62,536 of content                              about 46,000 bytes of pack
//     encrypted   (62,536 - 400) * 3/4 - 104 - 600 = 45,898 of content            about 33,600 bytes of pack
import type { JsonObject } from "#agent/matrix/types.ts";
import {
  type BatchHead,
  commonFields,
  encodePack,
  encodePlain,
  type Pack,
  plainBytes,
  type Span,
} from "./event.ts";
import {
  AROUND_CONTENT_BYTES,
  AROUND_PLAINTEXT_BYTES,
  CONTENT_RESERVE_BYTES,
  ENCRYPTED_FIELDS_BYTES,
  EVENT_BYTES_MAX,
  MEGOLM_BYTES,
  PACK_READINGS_MAX,
  READINGS_BYTES_MAX,
} from "./limits.ts";
import type { PackBuilder } from "./pack/builder.ts";
import { createBuilder } from "./pack/codec.ts";
import type { StampedReading } from "./reading.ts";

/** Bytes of UTF-8 that the JSON of an event's content may take. */
export const contentBytesMax = (encrypted: boolean): number => {
  const outer = EVENT_BYTES_MAX - AROUND_CONTENT_BYTES;
  if (!encrypted) return outer;
  const megolm = Math.floor(((outer - ENCRYPTED_FIELDS_BYTES) * 3) / 4);
  return megolm - MEGOLM_BYTES - AROUND_PLAINTEXT_BYTES;
};

/** Bytes of JSON that are escaped in base64: none, so four characters stand for three bytes. */
const bytesInBase64 = (characters: number): number => Math.floor((characters * 3) / 4);

/** Numbers of a head's fields at their longest, so that the size is known before the readings are. */
const WIDEST: Span = {
  readings: Number.MAX_SAFE_INTEGER,
  fromMs: Number.MAX_SAFE_INTEGER,
  untilMs: Number.MAX_SAFE_INTEGER,
  monoMs: Number.MAX_SAFE_INTEGER,
};

/** Bytes that a pack may have in the `data` of an event with this head. Zero or less: its losses alone fill it. */
export const packBytesMax = (head: BatchHead, encoding: string, encrypted: boolean): number => {
  const fields = { ...commonFields(head, WIDEST), encoding, data: "" };
  const taken = Buffer.byteLength(JSON.stringify(fields), "utf8") + CONTENT_RESERVE_BYTES;
  return bytesInBase64(contentBytesMax(encrypted) - taken);
};

export interface PackLimits {
  readonly encoding: string;
  readonly bytesMax: number;
  /** Default: what a reader takes. */
  readonly readingsMax?: number;
  /** Bytes that a reading took in the last pack of this device: a good guess saves tries. */
  readonly bytesPerReading?: number;
}

/** The first `span.readings` of what was offered. */
export interface FittedPack {
  readonly pack: Pack;
  readonly span: Span;
}

/** Readings that are taken before the first look, without a guess. */
const FIRST_LOOK = 512;
/** So full is full enough: another try would cost more than it wins. */
const FULL_SHARE = 0.95;
/** Next look at so much of the guess: packs get better with their length, so a guess is rarely too high, and it must not be often. */
const AIM_SHARE = 0.97;

/** Takes readings from a source and remembers what an event says of the first so many of them. */
class Intake {
  readonly builder: PackBuilder;
  readonly #source: Iterator<StampedReading>;
  readonly #times: number[] = [];
  readonly #monos: number[] = [];
  ended = false;

  constructor(builder: PackBuilder, source: Iterable<StampedReading>) {
    this.builder = builder;
    this.#source = source[Symbol.iterator]();
  }

  fill(count: number): void {
    while (!this.ended && this.builder.count < count) {
      const step: IteratorResult<StampedReading, unknown> = this.#source.next();
      if (step.done === true) {
        this.ended = true;
        return;
      }
      this.#times.push(step.value.timeMs);
      this.#monos.push(step.value.monoMs);
      this.builder.add(step.value);
    }
  }

  span(readings: number): Span {
    let [fromMs, untilMs, monoMs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
    for (let at = 0; at < readings; at += 1) {
      const time = this.#times[at] ?? 0;
      if (time < fromMs) monoMs = this.#monos[at] ?? 0;
      fromMs = Math.min(fromMs, time);
      untilMs = Math.max(untilMs, time);
    }
    return { readings, fromMs, untilMs, monoMs };
  }
}

interface Fit {
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** A guess at how many readings fill `bytesMax`, from a pack that was made; at least one more, at most four times as many. */
const nextCount = ({ bytes, count }: Fit, bytesMax: number, readingsMax: number): number => {
  const guess = Math.floor((count * bytesMax * AIM_SHARE) / bytes.length);
  return Math.min(Math.max(guess, count + 1), count * 4, readingsMax);
};

/** Fewer than `count`, which was too many. */
const smallerCount = (count: number, bytes: number, bytesMax: number): number =>
  Math.max(count > 1 ? 1 : 0, Math.min(count - 1, Math.floor((count * bytesMax * AIM_SHARE) / bytes)));

const isFullEnough = (fit: Fit, intake: Intake, limits: PackLimits, readingsMax: number): boolean =>
  fit.bytes.length >= limits.bytesMax * FULL_SHARE ||
  fit.count >= readingsMax ||
  (intake.ended && fit.count === intake.builder.count);

const firstCount = ({ bytesMax, bytesPerReading }: PackLimits, readingsMax: number): number => {
  const guess = bytesPerReading === undefined ? FIRST_LOOK : (bytesMax * AIM_SHARE) / bytesPerReading;
  return Math.min(Math.max(1, Math.floor(guess)), readingsMax);
};

/** Each look makes a whole pack; looks grow fourfold or aim at the end: about two or three packs' work in all. */
const search = (intake: Intake, limits: PackLimits, readingsMax: number): Fit | null => {
  let best: Fit | null = null;
  let fits = 0;
  let tooMany = Number.POSITIVE_INFINITY;
  let wanted = firstCount(limits, readingsMax);
  while (wanted > fits) {
    intake.fill(wanted);
    const count = Math.min(wanted, intake.builder.count);
    if (count <= fits) break;
    const bytes = intake.builder.encode(count);
    if (bytes.length > limits.bytesMax) {
      tooMany = count;
      wanted = smallerCount(count, bytes.length, limits.bytesMax);
      continue;
    }
    best = { count, bytes };
    fits = count;
    if (isFullEnough(best, intake, limits, readingsMax)) break;
    wanted = Math.min(nextCount(best, limits.bytesMax, readingsMax), tooMany - 1);
  }
  return best;
};

/**
 * The most of the offered readings that fit into `bytesMax`, as a pack; null where not even the first does, or there is none. Takes from the source only
 * little more than it uses.
 */
export const fitPack = (source: Iterable<StampedReading>, limits: PackLimits): FittedPack | null =>
  fitBuilder(createBuilder(limits.encoding), source, limits);

/** The same with any encoder: a fresh one, of the encoding that the limits name. */
export const fitBuilder = (
  builder: PackBuilder,
  source: Iterable<StampedReading>,
  limits: PackLimits,
): FittedPack | null => {
  const readingsMax = Math.min(limits.readingsMax ?? PACK_READINGS_MAX, PACK_READINGS_MAX);
  const intake = new Intake(builder, source);
  const best = search(intake, limits, readingsMax);
  if (best === null) return null;
  return { pack: { encoding: limits.encoding, bytes: best.bytes }, span: intake.span(best.count) };
};

export interface FitOptions {
  readonly encoding: string;
  readonly encrypted: boolean;
  /** Readings up to this number go out in the `plain` form, which people read; 0: never. */
  readonly plainMax: number;
  readonly readingsMax?: number;
  readonly bytesPerReading?: number;
}

export interface FittedEvent {
  readonly content: JsonObject;
  readonly form: "plain" | "pack";
  /** The first so many of what was offered are in it. */
  readonly readings: number;
  /** Of the pack; a guess for the next one. Null for `plain`. */
  readonly bytesPerReading: number | null;
}

/** Bytes that a plain event has for its readings: the common fields of this head, and never more than the door reckons with. */
const plainBytesMax = (head: BatchHead, encrypted: boolean): number => {
  const fields = Buffer.byteLength(JSON.stringify({ ...commonFields(head, WIDEST), readings: [] }), "utf8");
  return Math.min(contentBytesMax(encrypted) - fields - CONTENT_RESERVE_BYTES, READINGS_BYTES_MAX);
};

/** The first readings that fit into a plain event; at least one, which the door made sure of. */
const takePlain = (
  source: Iterable<StampedReading>,
  bytesMax: number,
  readingsMax: number,
): StampedReading[] => {
  const taken: StampedReading[] = [];
  let left = bytesMax;
  for (const reading of source) {
    left -= plainBytes(reading);
    if (taken.length > 0 && (left < 0 || taken.length >= readingsMax)) break;
    taken.push(reading);
  }
  return taken;
};

const fitPlain = (
  head: BatchHead,
  source: Iterable<StampedReading>,
  most: number,
  encrypted: boolean,
): FittedEvent => {
  const readings = takePlain(source, plainBytesMax(head, encrypted), most);
  return {
    content: encodePlain({ ...head, readings }),
    form: "plain",
    readings: readings.length,
    bytesPerReading: null,
  };
};

/** Whether more than `most` are offered. */
const isMoreThan = (source: Iterable<StampedReading>, most: number): boolean => {
  let seen = 0;
  for (const _reading of source) {
    seen += 1;
    if (seen > most) return true;
  }
  return false;
};

/**
 * The content of one event with as many of the waiting readings as fit. `source` is gone through from its beginning up to three times (a list, or a generator's
 * maker), each time only as far as needed. Null where nothing waits. A reading that no pack of an event can hold goes out alone in the `plain` form.
 */
export const fitEvent = (
  head: BatchHead,
  source: Iterable<StampedReading>,
  options: FitOptions,
): FittedEvent | null => {
  const { encoding, encrypted, plainMax } = options;
  if (!isMoreThan(source, 0)) return null;
  if (plainMax > 0 && !isMoreThan(source, plainMax)) {
    const plain = fitPlain(head, source, plainMax, encrypted);
    if (!isMoreThan(source, plain.readings)) return plain;
  }
  const bytesMax = packBytesMax(head, encoding, encrypted);
  const fitted = fitPack(source, { ...options, bytesMax });
  if (fitted === null) return fitPlain(head, source, 1, encrypted);
  const { pack, span } = fitted;
  return {
    content: encodePack(head, span, pack),
    form: "pack",
    readings: span.readings,
    bytesPerReading: pack.bytes.length / span.readings,
  };
};
