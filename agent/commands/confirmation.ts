// Dangerous commands wait for a code: asked for in the room, good once, for a while, for who asked (DESIGN 7). Stored, so that a restart changes nothing.
//
//   command --> asked, code in the reply --> the code, by the same user --> running (code used)
//                                            wrong: counted, void after some       late, used, somebody else's: refused, in words
import type { Random } from "#agent/runtime.ts";
import type { Database, Row, Vault } from "#agent/store/store.ts";
import { CODE_DIGITS, CODE_TRIES_MAX, CODES_KEPT_MAX } from "./limits.ts";

export interface Confirmation {
  /** Of the command that waits. */
  readonly eventId: string;
  readonly sender: string;
  readonly code: string;
  readonly untilMs: number;
  readonly state: "open" | "used" | "void";
  readonly tries: number;
  /** What was said that it would do: another configuration by now is another command. */
  readonly effect: string;
}

const CONTEXT = "command/confirmation";

const STATES: readonly Confirmation["state"][] = ["open", "used", "void"];

const toConfirmation = (vault: Vault, row: Row): Confirmation => {
  const sealed = row["secret"];
  if (!(sealed instanceof Uint8Array)) throw new Error("command confirmation: a row holds no code");
  const [code = "", effect = ""] = JSON.parse(
    new TextDecoder().decode(vault.open(CONTEXT, sealed)),
  ) as string[]; // we sealed a list of two texts
  return {
    eventId: String(row["event_id"]),
    sender: String(row["sender"]),
    code,
    untilMs: Number(row["until_ms"]),
    state: STATES.find((known) => known === row["state"]) ?? "void",
    tries: Number(row["tries"]),
    effect,
  };
};

/** The newest, finished ones too: a code that comes late or twice is told from one that never was. */
export const confirmationsIn = (database: Database, vault: Vault, roomId: string): Confirmation[] =>
  database
    .prepare("SELECT * FROM command_confirmation WHERE room_id = ? ORDER BY id DESC")
    .all(roomId)
    .map((row) => toConfirmation(vault, row));

/** Digits that none of the known ones has. */
export const newCode = (random: Random, known: readonly Confirmation[]): string => {
  for (;;) {
    const number = Buffer.from(random(6)).readUIntBE(0, 6) % 10 ** CODE_DIGITS;
    const code = String(number).padStart(CODE_DIGITS, "0");
    if (known.every((one) => one.code !== code)) return code;
  }
};

export const ask = (
  database: Database,
  vault: Vault,
  roomId: string,
  { code, effect, eventId, sender, untilMs }: Omit<Confirmation, "state" | "tries">,
): void => {
  const secret = vault.seal(CONTEXT, new TextEncoder().encode(JSON.stringify([code, effect])));
  database
    .prepare(
      `INSERT INTO command_confirmation (event_id, room_id, sender, secret, until_ms, state, tries)
       VALUES (?, ?, ?, ?, ?, 'open', 0)`,
    )
    .run(eventId, roomId, sender, secret, Math.round(untilMs));
  database
    .prepare(
      "DELETE FROM command_confirmation WHERE id NOT IN (SELECT id FROM command_confirmation ORDER BY id DESC LIMIT ?)",
    )
    .run(CODES_KEPT_MAX);
};

export const close = (database: Database, eventId: string, state: "used" | "void"): void => {
  database.prepare("UPDATE command_confirmation SET state = ? WHERE event_id = ?").run(state, eventId);
};

/** A wrong code was tried: it counts against all that wait for this sender. */
export const countWrong = (database: Database, roomId: string, sender: string): void => {
  database
    .prepare(
      `UPDATE command_confirmation SET tries = tries + 1, state = CASE WHEN tries + 1 >= ? THEN 'void' ELSE state END
       WHERE room_id = ? AND sender = ? AND state = 'open'`,
    )
    .run(CODE_TRIES_MAX, roomId, sender);
};

export type Judgement =
  | { readonly kind: "right"; readonly confirmation: Confirmation }
  /** `wrong`: it counts. */
  | { readonly kind: "refused"; readonly wrong: boolean; readonly reason: string }
  /** No command waits, and the digits were never a code. */
  | { readonly kind: "nothing" };

const refused = (reason: string, wrong = false): Judgement => ({ kind: "refused", wrong, reason });

const wrongCode = (waiting: readonly Confirmation[]): Judgement => {
  const left = CODE_TRIES_MAX - 1 - Math.max(...waiting.map(({ tries }) => tries));
  return refused(
    left > 0
      ? `that is not the code; ${left} more ${left === 1 ? "try" : "tries"}`
      : "that is not the code; nothing was done, send the command again",
    true,
  );
};

/** What a code is worth, said by `sender` at `nowMs`. */
export const judgeCode = (
  known: readonly Confirmation[],
  code: string,
  sender: string,
  nowMs: number,
): Judgement => {
  const found = known.find((one) => one.code === code);
  if (found === undefined) {
    const waiting = known.filter(
      (one) => one.state === "open" && one.sender === sender && nowMs <= one.untilMs,
    );
    return waiting.length === 0 ? { kind: "nothing" } : wrongCode(waiting);
  }
  if (found.sender !== sender)
    return refused(`that code was given to ${found.sender}: only who asked can confirm`);
  if (found.state === "used") return refused("that code was used already; it is good once");
  if (found.state === "void") return refused("that code is void; send the command again");
  if (nowMs > found.untilMs)
    return refused("that code came too late; nothing was done, send the command again");
  return { kind: "right", confirmation: found };
};
