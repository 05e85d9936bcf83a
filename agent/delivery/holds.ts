// What the sender waits for: a rate limit, a network, a room. Each has its own end, since a network that is back ends the second and the third, never
// the first.

export class Holds {
  #limitedUntil = 0;
  #awayUntil = 0;
  readonly #rooms = new Map<string, number>();

  /** The server asked for patience. */
  limited(untilMs: number): void {
    this.#limitedUntil = Math.max(this.#limitedUntil, untilMs);
  }

  /** The server cannot be reached. */
  away(untilMs: number): void {
    this.#awayUntil = Math.max(this.#awayUntil, untilMs);
  }

  /** The room does not take our events. */
  room(roomId: string, untilMs: number): void {
    this.#rooms.set(roomId, untilMs);
  }

  /** It does again. */
  clearRoom(roomId: string): void {
    this.#rooms.delete(roomId);
  }

  /** The network is back. */
  reachable(): void {
    this.#awayUntil = 0;
    this.#rooms.clear();
  }

  /** When everything may go on; in the past if it may. */
  allUntil(): number {
    return Math.max(this.#limitedUntil, this.#awayUntil);
  }

  /** The rooms that wait still. */
  roomsAt(nowMs: number): ReadonlySet<string> {
    for (const [room, until] of this.#rooms) if (until <= nowMs) this.#rooms.delete(room);
    return new Set(this.#rooms.keys());
  }

  /** When the next room may be tried again, or null. */
  nextRoomAt(): number | null {
    return this.#rooms.size === 0 ? null : Math.min(...this.#rooms.values());
  }
}

/** Failures in a row, of each room and of all together: what the back-off grows with. */
export class Streaks {
  #all = 0;
  readonly #rooms = new Map<string, number>();

  failed(roomId: string, ofRoom: boolean): number {
    if (!ofRoom) {
      this.#all += 1;
      return this.#all;
    }
    const failures = (this.#rooms.get(roomId) ?? 0) + 1;
    this.#rooms.set(roomId, failures);
    return failures;
  }

  succeeded(roomId: string): void {
    this.#all = 0;
    this.#rooms.delete(roomId);
  }
}
