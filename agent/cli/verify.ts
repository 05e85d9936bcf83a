// `petrel verify`: compares keys with another device, so that each trusts the other. The steps are the running agent's; here a person, or a program in
// its place, says whether the strings are the same.
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { askAgent } from "#agent/control/client.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asInteger, asList, asObject, asString, field } from "#agent/matrix/json.ts";
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import type { Outside } from "#agent/outside.ts";
import { printable } from "./printable.ts";
import { type Asker, withAsker } from "./prompt.ts";
import { CODE_QUESTION, codeOf, readCode } from "./scanned-code.ts";
import { loadSetting, socketOf } from "./setting.ts";

export interface VerifyOptions {
  readonly list?: boolean;
  readonly json?: boolean;
  readonly device?: string;
  readonly room?: string;
  readonly step?: string;
  readonly id?: string;
  readonly yesIfMatch?: string;
  readonly qr?: boolean;
  readonly png?: string;
  /** True: their code is asked for when there is one. */
  readonly scan?: string | true;
}

const POLL_MS = 500;
/** How long an approval program may think. */
const HOOK_MS = 120_000;

interface Session {
  readonly outside: Outside;
  readonly socket: string;
  readonly options: VerifyOptions;
  /** Verifications whose code was shown. */
  readonly shown: Set<string>;
}

const ask = async ({ socket }: Session, verb: string, args: JsonObject = {}): Promise<JsonObject> => {
  const answer = await askAgent(socket, { verb, args });
  if (answer === null)
    throw new CliError(
      EXIT.notRunning,
      "no agent runs here: a verification needs one that talks to the homeserver; start it with `petrel run`",
    );
  return asObject(answer.result) ?? {};
};

const objects = (list: JsonValue | undefined): readonly JsonObject[] =>
  asList(list ?? null).flatMap((each) => {
    const object = asObject(each);
    return object === null ? [] : [object];
  });

const listOf = async (session: Session): Promise<readonly JsonObject[]> =>
  objects(field(await ask(session, "verifications"), "verifications"));

const text = (of: JsonObject, name: string): string => printable(asString(field(of, name)) ?? "");
const isOver = (of: JsonObject): boolean => ["done", "cancelled"].includes(text(of, "phase"));

/** `3  asked  @op:example.org DEVICE`: one line. */
const line = (of: JsonObject): string => {
  const reason = text(of, "reason");
  return [
    text(of, "id").padStart(3),
    text(of, "phase").padEnd(9),
    text(of, "userId"),
    text(of, "deviceId"),
    ...(reason === "" ? [] : [`(${reason})`]),
  ]
    .join("  ")
    .trimEnd();
};

const emojiOf = (of: JsonObject): readonly JsonObject[] => objects(field(of, "emoji"));
const numbersOf = (of: JsonObject): readonly number[] =>
  asList(field(of, "decimals") ?? []).flatMap((each) => asInteger(each) ?? []);

const comparison = (of: JsonObject): string => {
  const emoji = emojiOf(of).map((each) => `${text(each, "emoji")}  ${text(each, "name")}`);
  return `${emoji.join("\n")}${emoji.length > 0 ? "\n" : ""}numbers: ${numbersOf(of).join(" ")}\n`;
};

/** The program in a person's place: it gets the numbers and the names as arguments, and says yes with exit code 0. */
const approves = (program: string, of: JsonObject): Promise<boolean> =>
  new Promise((resolve) => {
    const names = emojiOf(of).map((each) => text(each, "name"));
    const args = [text(of, "userId"), text(of, "deviceId"), numbersOf(of).join(" "), names.join(",")];
    execFile(program, args, { timeout: HOOK_MS }, (error) => resolve(error === null));
  });

const yes = async (asker: Asker, question: string): Promise<boolean> =>
  /^y(es)?$/i.test(await asker.ask(`${question} (yes/no)`, "no"));

interface Answer {
  (of: JsonObject, question: string): Promise<boolean>;
  /** Their code, in base64, where it is to be scanned. */
  readonly code?: () => Promise<string>;
}

/** Both agreed: our code is shown once, or the strings are begun with. Their side may begin as well. */
const ready = async (session: Session, of: JsonObject): Promise<string | null> => {
  const { outside, options } = session;
  const wanted = options.qr === true || options.png !== undefined;
  if (!wanted) return field(of, "sas") === true ? "start" : null;
  const id = text(of, "id");
  if (session.shown.has(id)) return null;
  session.shown.add(id);
  if (field(of, "showsQr") !== true)
    throw new CliError(EXIT.failed, "the other device cannot scan a code; leave out --qr and --png");
  const bytes = asString(field(await ask(session, "verify-qr", { id }), "bytes") ?? null);
  if (bytes === null)
    throw new CliError(EXIT.failed, "no code can be shown yet: the keys that it holds are not known");
  const [{ qrCode }, { qrPng, qrText }] = await Promise.all([
    import("#agent/identity/qr-code.ts"),
    import("#agent/identity/qr-picture.ts"),
  ]);
  const code = qrCode(new Uint8Array(Buffer.from(bytes, "base64")));
  if (options.png !== undefined) await writeFile(options.png, qrPng(code), { mode: 0o600 });
  if (options.qr === true) outside.stdout.write(qrText(code));
  outside.stderr.write("scan the code with the other device\n");
  return null;
};

/** Their code is scanned once; then it is their turn to say that it worked. */
const scan = async (session: Session, of: JsonObject, read: () => Promise<string>): Promise<null> => {
  const id = text(of, "id");
  if (session.shown.has(id)) return null;
  session.shown.add(id);
  if (field(of, "scansQr") !== true)
    throw new CliError(EXIT.failed, "the other device shows no code; leave out --scan");
  // Only now: the code belongs to this verification, so nobody had it before.
  await ask(session, "verify-scan", { id, bytes: await read() });
  session.outside.stderr.write("scanned: say on the other device that it worked\n");
  return null;
};

/** What a person or a program decides in one phase; null: wait. */
const decide = async (session: Session, of: JsonObject, answer: Answer): Promise<string | null> => {
  const { stdout } = session.outside;
  switch (text(of, "phase")) {
    case "asked":
      return (await answer(of, `${text(of, "userId")} ${text(of, "deviceId")} asks to verify. Accept?`))
        ? "accept"
        : "cancel";
    case "ready":
      return answer.code === undefined ? ready(session, of) : scan(session, of, answer.code);
    case "compare":
      stdout.write(comparison(of));
      return (await answer(of, "Does the other device show the same?")) ? "confirm" : "mismatch";
    case "scanned":
      return (await answer(of, "Does the other device say that the scan worked?")) ? "confirm" : "cancel";
    default:
      return null;
  }
};

const pause = ({ timers }: Outside): Promise<void> =>
  new Promise((resolve) => {
    timers.after(POLL_MS, resolve);
  });

/** Follows one verification to its end. */
const follow = async (session: Session, id: string, answer: Answer): Promise<number> => {
  const { outside } = session;
  for (;;) {
    const of = (await listOf(session)).find((each) => asString(field(each, "id")) === id);
    if (of === undefined) throw new CliError(EXIT.failed, `there is no verification ${id} any more`);
    if (text(of, "phase") === "done") {
      outside.stdout.write(`verified: ${text(of, "userId")}\n`);
      return EXIT.ok;
    }
    if (isOver(of))
      throw new CliError(EXIT.failed, `not verified: ${text(of, "reason")} (${text(of, "code")})`);
    const step = await decide(session, of, answer);
    if (step === null) await pause(outside);
    else
      await ask(session, "verify-step", {
        id,
        step,
        ...(session.options.scan === undefined ? {} : { scan: true }),
      });
  }
};

/** The next one that waits for us, or that goes on. */
const waitForOne = async (session: Session): Promise<string> => {
  session.outside.stderr.write("waiting for a request: verify this device in your client (Ctrl-C ends)\n");
  for (;;) {
    const active = (await listOf(session)).find((each) => !isOver(each));
    if (active !== undefined) return asString(field(active, "id")) ?? "";
    await pause(session.outside);
  }
};

const request = async (session: Session, userId: string): Promise<string> => {
  const { device, room } = session.options;
  const args: JsonObject = {
    user: userId,
    ...(device === undefined ? {} : { device }),
    ...(room === undefined ? {} : { room }),
    ...(session.options.scan === undefined ? {} : { scan: true }),
  };
  const made = asObject(field(await ask(session, "verify-request", args), "verification")) ?? {};
  session.outside.stderr.write(`asked ${printable(userId)}: accept it there\n`);
  return asString(field(made, "id")) ?? "";
};

const print = ({ outside }: Session, json: boolean | undefined, found: readonly JsonObject[]): void => {
  if (json) outside.stdout.write(`${JSON.stringify(found satisfies readonly JsonValue[])}\n`);
  else outside.stdout.write(found.length === 0 ? "no verification\n" : `${found.map(line).join("\n")}\n`);
};

const begin = async (session: Session, userId: string | undefined): Promise<string> => {
  const { id } = session.options;
  if (id !== undefined) return id;
  return userId === undefined ? waitForOne(session) : request(session, userId);
};

/** What a code on standard input or the command line needs of a person: nothing, since scanning it is what verifies. */
const withoutAsking = ({ outside }: Session, given: string): Answer =>
  Object.assign((of: JsonObject) => Promise.resolve(text(of, "phase") === "asked"), {
    code: () => readCode(outside, given),
  });

const decided = async (session: Session, userId: string | undefined): Promise<number> => {
  const { outside, options } = session;
  const { scan: given, yesIfMatch: program } = options;
  // What is no code is refused before anybody is asked.
  if (typeof given === "string" && given !== "-") codeOf(given);
  if (typeof given === "string")
    return follow(session, await begin(session, userId), withoutAsking(session, given));
  if (program !== undefined) {
    // What is asked before there is something to compare is agreed to: the program judges the strings.
    const answer: Answer = (of) =>
      text(of, "phase") === "compare" ? approves(program, of) : Promise.resolve(true);
    return follow(session, await begin(session, userId), answer);
  }
  return withAsker(outside, async (asker) => {
    const person: Answer = (_of, question) => yes(asker, question);
    const code = async (): Promise<string> => codeOf(await asker.ask(CODE_QUESTION));
    const answer = given === true ? Object.assign(person, { code }) : person;
    return follow(session, await begin(session, userId), answer);
  });
};

export const verify = async (
  outside: Outside,
  configFile: string | undefined,
  userId: string | undefined,
  options: VerifyOptions,
): Promise<number> => {
  const socket = socketOf(await loadSetting(outside, configFile));
  const session: Session = { outside, options, socket, shown: new Set() };
  if (options.step !== undefined) {
    if (options.id === undefined)
      throw new CliError(EXIT.usage, "--step needs --id; --list shows the numbers");
    const result = await ask(session, "verify-step", { id: options.id, step: options.step });
    print(session, options.json, [asObject(field(result, "verification")) ?? {}]);
    return EXIT.ok;
  }
  if (options.list || options.json) {
    print(session, options.json, await listOf(session));
    return EXIT.ok;
  }
  return decided(session, userId);
};
