// Asks for the code of a dangerous command, and takes codes that come (confirmation.ts): one step of the service each.
import type { Database } from "#agent/store/store.ts";
import { bindArguments } from "./arguments.ts";
import type { Channel, Decision } from "./authorise.ts";
import type { Command, Outcome } from "./command.ts";
import {
  ask,
  type Confirmation,
  close,
  confirmationsIn,
  countWrong,
  judgeCode,
  newCode,
} from "./confirmation.ts";
import { type CommandState, commandOf, type InboxRow, moveTo } from "./inbox.ts";
import { CODES_OPEN_MAX } from "./limits.ts";
import type { CommandContext } from "./service.ts";

/** What the service does with a row. */
export interface Steps {
  command(row: InboxRow): Command | null;
  decide(row: InboxRow, level: number): Promise<Decision>;
  execute(row: InboxRow, command: Command, also: (database: Database) => void): Promise<void>;
  finish(
    row: InboxRow,
    state: CommandState,
    outcome: Outcome,
    also?: (database: Database) => void,
  ): Promise<void>;
  refuse(row: InboxRow, text: string): Promise<void>;
  silently(row: InboxRow): Promise<void>;
}

type Context = Pick<
  CommandContext,
  "store" | "runtime" | "roomId" | "nowMs" | "confirmWithinMs" | "confirmInClear"
>;

const IN_CLEAR =
  "it needs a confirmation, and this room is not encrypted: whoever reads along could give it in your name. Use an encrypted room, or allow it with commands.confirm_in_clear";

const inWords = (ms: number): string => `${Math.round(ms / 1000)} s`;

export class Confirms {
  readonly #context: Context;
  readonly #steps: Steps;

  constructor(context: Context, steps: Steps) {
    this.#context = context;
    this.#steps = steps;
  }

  /** `command` may be run, but for its code. */
  async ask(row: InboxRow, command: Command, channel: Channel): Promise<void> {
    const { confirmInClear, confirmWithinMs, nowMs, roomId, runtime, store } = this.#context;
    if (channel === "open" && !confirmInClear) {
      await this.#steps.refuse(row, `${command.name} was refused: ${IN_CLEAR}`);
      return;
    }
    const known = this.#known();
    const now = nowMs();
    if (known.filter(({ state, untilMs }) => state === "open" && untilMs >= now).length >= CODES_OPEN_MAX) {
      await this.#steps.refuse(
        row,
        `${command.name} was refused: too many commands wait for their codes already`,
      );
      return;
    }
    const effect = this.#effect(row, command);
    if (typeof effect !== "string") {
      await this.#steps.finish(row, "failed", effect);
      return;
    }
    const code = newCode(runtime.random, known);
    const text = `${command.name} ${effect}. To have it done, answer with the code ${code} within ${inWords(confirmWithinMs)}; only ${row.sender} can, once.`;
    const { eventId, sender } = row;
    await this.#steps.finish(row, "asked", { ok: true, text }, (database) =>
      ask(database, store.vault, roomId, { code, effect, eventId, sender, untilMs: now + confirmWithinMs }),
    );
    runtime.log.info({ command: command.name, sender }, "a command waits for its code");
  }

  /** A message that is a code and nothing else. */
  async take(row: InboxRow): Promise<void> {
    const { nowMs, roomId, runtime } = this.#context;
    const code = row.request.words[0] ?? "";
    const judged = judgeCode(this.#known(), code, row.sender, nowMs());
    if (judged.kind === "nothing") {
      // People write numbers to each other, too.
      if (row.request.named["addressed"] === undefined) await this.#steps.silently(row);
      else await this.#steps.refuse(row, "no command of yours waits for a code");
      return;
    }
    const waiting = judged.kind === "right" ? this.#waiting(judged.confirmation) : null;
    const decision = await this.#steps.decide(row, waiting?.command?.level ?? 0);
    if (!decision.allowed) {
      runtime.log.warn({ sender: row.sender, why: decision.why }, "a confirmation was refused");
      await this.#steps.refuse(row, `the code was refused: ${decision.reason}`);
      return;
    }
    if (judged.kind === "right") await this.#confirmed(row, judged.confirmation);
    else
      await this.#steps.finish(row, "refused", { ok: false, text: judged.reason }, (database) => {
        if (judged.wrong) countWrong(database, roomId, row.sender);
      });
  }

  #known(): Confirmation[] {
    const { roomId, store } = this.#context;
    return store.read((database) => confirmationsIn(database, store.vault, roomId));
  }

  #waiting({ eventId }: Confirmation): { readonly row: InboxRow; readonly command: Command | null } | null {
    const { store } = this.#context;
    const row = store.read((database) => commandOf(database, store.vault, eventId));
    return row === null ? null : { row, command: this.#steps.command(row) };
  }

  /** What the command does with these arguments; an outcome where they do not fit. */
  #effect({ request }: InboxRow, { confirm, rules }: Command): string | Outcome {
    try {
      return confirm?.(bindArguments(request, rules)) ?? "is done";
    } catch (error) {
      return { ok: false, text: error instanceof Error ? error.message : String(error) };
    }
  }

  async #confirmed(row: InboxRow, confirmation: Confirmation): Promise<void> {
    const waiting = this.#waiting(confirmation);
    const { eventId } = confirmation;
    if (
      waiting === null ||
      waiting.command === null ||
      this.#effect(waiting.row, waiting.command) !== confirmation.effect
    ) {
      const text =
        "the command is not what it was when the code was given: the configuration has changed since; send it again";
      await this.#steps.finish(row, "refused", { ok: false, text }, (database) =>
        close(database, eventId, "void"),
      );
      return;
    }
    // Used in the transaction in which it begins to run: whatever dies when, it runs once at most.
    await this.#steps.execute(waiting.row, waiting.command, (database) => {
      close(database, eventId, "used");
      moveTo(database, row.eventId, "succeeded");
    });
  }
}
