// `petrel trust`: how far a user's identity is trusted, and, given its fingerprint, trusting it.
import { askAgent } from "#agent/control/client.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asList, asObject, asString, field } from "#agent/matrix/json.ts";
import type { JsonObject } from "#agent/matrix/types.ts";
import type { Outside } from "#agent/outside.ts";
import { printable } from "./printable.ts";
import { withProgress } from "./progress.ts";
import { loadSetting, serverOf, socketOf } from "./setting.ts";

export interface TrustOptions {
  readonly fingerprint?: string;
  readonly acknowledge?: boolean;
  readonly json?: boolean;
}

const MEANING: Readonly<Record<string, string>> = {
  none: "no identity: this user has not set up cross-signing",
  pinned: "not verified; the identity is the one that was seen first",
  changed: "NOT the identity that was seen first: compare it, then --acknowledge or --fingerprint",
  verified: "verified",
  violation: "it was verified and has CHANGED: compare it again before you trust it",
};

/** `abcd efgh ...`, as clients show a key. */
const grouped = (key: string): string => key.match(/.{1,4}/g)?.join(" ") ?? "";

const lines = (result: JsonObject): string => {
  const text = (name: string): string => printable(asString(field(result, name)) ?? "");
  const devices = asList(field(result, "devices") ?? null).map((each) => asObject(each) ?? {});
  const device = (each: JsonObject): string => {
    const verified = field(each, "verified") === true;
    const crossSigned =
      field(each, "crossSigned") === true ? "signed by its owner" : "NOT signed by its owner";
    return `  ${printable(asString(field(each, "id")) ?? "")}: ${verified ? "verified" : crossSigned}`;
  };
  const own = asObject(field(result, "crossSigning"));
  return [
    `${text("user")}: ${MEANING[text("status")] ?? text("status")}`,
    ...(text("fingerprint") === "" ? [] : [`  fingerprint: ${grouped(text("fingerprint"))}`]),
    ...devices.map(device),
    ...(own === null ? [] : [`  cross-signing: ${printable(asString(field(own, "state")) ?? "")}`]),
  ].join("\n");
};

export const trust = async (
  outside: Outside,
  configFile: string | undefined,
  userId: string | undefined,
  options: TrustOptions,
): Promise<number> => {
  const setting = await loadSetting(outside, configFile);
  const args: JsonObject = {
    ...(userId === undefined ? {} : { user: userId }),
    ...(options.fingerprint === undefined
      ? {}
      : { fingerprint: options.fingerprint.replaceAll(/[\s=]/g, "") }),
    ...(options.acknowledge === true ? { acknowledge: true } : {}),
  };
  const answer = await withProgress(outside, `asking ${serverOf(setting)}`, () =>
    askAgent(socketOf(setting), { verb: "trust", args }),
  );
  if (answer === null)
    throw new CliError(EXIT.notRunning, "no agent runs here: start it with `petrel run`, it has the keys");
  const result = asObject(answer.result) ?? {};
  outside.stdout.write(options.json ? `${JSON.stringify(result)}\n` : `${lines(result)}\n`);
  return EXIT.ok;
};
