// In which order the readings of all columns came: their sequence numbers follow from it, so it is kept exactly (docs/telemetry-pack.md, "Order").
// Expected is the order of their times, and of the columns where times are equal; only where the true order departs from it something is written:
//
//   (hits varint, column varint)* hits varint       hits readings as expected, then one of the named column before its time
//
// What was taken before its time is left out when its turn comes.
import { malformed } from "../errors.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";

/** The column of each reading in the order of times; within a column its own order, even where its clock stepped back. */
export const expectedOrder = (times: readonly Float64Array[]): Uint32Array => {
  const total = times.reduce((sum, { length }) => sum + length, 0);
  const columns = new Uint32Array(total);
  const keys = new Float64Array(total);
  let at = 0;
  times.forEach((column, index) => {
    let latest = Number.NEGATIVE_INFINITY;
    for (const time of column) {
      latest = Math.max(latest, time);
      keys[at] = latest;
      columns[at] = index;
      at += 1;
    }
  });
  // Stable: readings of one time stay in the order of their columns. Ascending runs, one a column, are merged, not sorted anew.
  const places = Array.from({ length: total }, (_, place) => place);
  places.sort((left, right) => (keys[left] ?? 0) - (keys[right] ?? 0));
  return Uint32Array.from(places, (place) => columns[place] ?? 0);
};

/** Walks through the expected order, with what was taken before its time left out. */
class Walk {
  readonly #expected: Uint32Array;
  readonly #early: Uint32Array;
  #at = 0;

  constructor(expected: Uint32Array, columns: number) {
    this.#expected = expected;
    this.#early = new Uint32Array(columns);
  }

  /** The column that is expected next; undefined at the end. */
  get next(): number | undefined {
    for (;;) {
      const column = this.#expected[this.#at];
      const early = column === undefined ? 0 : (this.#early[column] ?? 0);
      if (column === undefined || early === 0) return column;
      this.#early[column] = early - 1;
      this.#at += 1;
    }
  }

  step(): void {
    this.#at += 1;
  }

  takeEarly(column: number): void {
    this.#early[column] = (this.#early[column] ?? 0) + 1;
  }
}

export const writeOrder = (writer: ByteWriter, order: Uint32Array, times: readonly Float64Array[]): void => {
  const walk = new Walk(expectedOrder(times), times.length);
  let hits = 0;
  for (const column of order) {
    if (column === walk.next) {
      walk.step();
      hits += 1;
      continue;
    }
    writer.varint(hits);
    writer.varint(column);
    walk.takeEarly(column);
    hits = 0;
  }
  writer.varint(hits);
};

/** The column of each reading. Throws `TelemetryError`. */
export const readOrder = (reader: ByteReader, times: readonly Float64Array[]): Uint32Array => {
  const expected = expectedOrder(times);
  const walk = new Walk(expected, times.length);
  const left = Uint32Array.from(times, ({ length }) => length);
  const order = new Uint32Array(expected.length);
  let at = 0;
  const take = (column: number): void => {
    const rest = left[column] ?? 0;
    if (rest === 0) throw malformed("pack", "an order with as many readings of a column as it has");
    left[column] = rest - 1;
    order[at] = column;
    at += 1;
  };
  for (;;) {
    const hits = reader.varint();
    if (hits > order.length - at) throw malformed("pack", "an order of its readings and no more");
    for (let hit = 0; hit < hits; hit += 1) {
      const column = walk.next;
      if (column === undefined) throw malformed("pack", "an order of its readings and no more");
      walk.step();
      take(column);
    }
    if (at === order.length) return order;
    const column = reader.varint();
    take(column);
    walk.takeEarly(column);
  }
};
