// One command, whoever defines it: built in, configured, later a bridge's. A new kind of command is a new file that makes these.
import type { Arguments } from "./arguments.ts";
import type { ArgumentRule } from "./schema.ts";

export interface Outcome {
  readonly ok: boolean;
  /** The reply, plain text. */
  readonly text: string;
}

export interface Command {
  readonly name: string;
  readonly help: string;
  /** Power level of the sender in the room. */
  readonly level: number;
  /** It only tells and changes nothing: allowed while the clock is unset. */
  readonly harmless: boolean;
  readonly rules: Readonly<Record<string, ArgumentRule>>;
  /** Dangerous: it waits for a code. Gives what it will do, for who is asked. */
  readonly confirm?: (values: Arguments) => string;
  /** May reject: the message becomes the reply of a failed command. `signal`: the agent stops, and what runs must end; `sender`: who asked. */
  run(values: Arguments, signal: AbortSignal, sender: string): Promise<Outcome>;
}
