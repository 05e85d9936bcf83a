// What a source of bytes is: something that is opened, gives bytes as they come, takes bytes, and is gone one day. It knows no framing and no reading,
// and it never tries again by itself: that is the business of ../reconnect.ts.
import type { DriverError } from "../driver.ts";

/** What a source reports between a successful `open` and `close`. Nothing is called after `close` was called, nor after `closed`. */
export interface SourceEvents {
  /** Bytes, at the moment of their arrival. The array is the receiver's only until it returns. */
  data(chunk: Uint8Array): void;
  /** A boundary that the source itself has. `whole`: what came before is complete (a datagram, a file's end); false: it was cut (another client). */
  boundary(whole: boolean): void;
  /** Bytes from before the place where reading begins, so that a framing can find its feet; what they yield is not to be used. */
  preroll(chunk: Uint8Array): void;
  /** The source is gone: with a reason, or null when it has come to its natural end and there is nothing to reopen. */
  closed(reason: DriverError | null): void;
}

export interface ByteSource {
  /** What an operator calls it, for messages: `/dev/ttyUSB0`, `tcp 10.0.0.7:4001`. */
  readonly place: string;
  /** True when it may be opened in the middle of what the device says (a serial line), so that the first message may lack its beginning. */
  readonly midStream: boolean;
  /** Loads what the source needs, once. Rejects with a `DriverError` where that can never work. */
  prepare?(): Promise<void>;
  /** Opens it. Rejects with a `DriverError` that says what to do. One open at a time. */
  open(events: SourceEvents): Promise<void>;
  /** Resolves when the system has taken all bytes. Absent: nothing can be written. */
  write?(bytes: Uint8Array): Promise<void>;
  /** For sources that can wait (files, TCP): no data until `resume`. Absent: it cannot wait, and what there is no room for is lost. */
  pause?(): void;
  resume?(): void;
  /** Ends an open or opening source and resolves when its handles are gone. Idempotent. */
  close(): Promise<void>;
}
