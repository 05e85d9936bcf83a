// The verbs about the account's identity: their options and help. program.ts adds them.
import { Argument, Option } from "commander";
import type { BackupAction, BackupOptions } from "./backup.ts";
import type { Wiring } from "./program.ts";
import type { TrustOptions } from "./trust.ts";
import type { VerifyOptions } from "./verify.ts";

const JSON_OPTION = ["--json", "for scripts: JSON instead of text"] as const;

const addVerify = ({ does, outside, program }: Wiring): void => {
  program
    .command("verify")
    .description("compare keys with another device, so that each trusts the other")
    .argument("[user]", "ask this user's devices; without it, wait to be asked")
    .option("--device <id>", "ask this device alone")
    .option("--room <id>", "ask in this room")
    .option("--qr", "show a QR code instead of symbols")
    .option("--png <file>", "write the QR code into a file")
    .option(
      "--scan [code]",
      "scan the code that the other device shows: its bytes are asked for, as base64 or hexadecimal; - reads them from standard input",
    )
    .option("--yes-if-match <program>", "a program that compares in your place; see docs/encryption.md")
    .option("--list", "only list what is under way")
    .option("--id <number>", "go on with this one")
    .option("--step <step>", "with --id: accept, start, confirm, mismatch or cancel, and nothing else")
    .option(...JSON_OPTION)
    .action((user: string | undefined, options: VerifyOptions) =>
      does(async (config) => (await import("./verify.ts")).verify(outside, config, user, options)),
    );
};

const addTrust = ({ does, outside, program }: Wiring): void => {
  program
    .command("trust")
    .description("how far a user is trusted (the agent's own account unless told)")
    .argument("[user]", "whose identity")
    .option("--fingerprint <key>", "trust this master key, which you compared by other means")
    .option("--acknowledge", "take an identity that changed for the user's own, unverified")
    .option(...JSON_OPTION)
    .action((user: string | undefined, options: TrustOptions) =>
      does(async (config) => (await import("./trust.ts")).trust(outside, config, user, options)),
    );
};

const BACKUP_ACTIONS: readonly BackupAction[] = ["status", "create", "restore", "export", "import"];

const addBackup = ({ does, outside, program }: Wiring): void => {
  program
    .command("backup")
    .description("the account's key backup, its secret storage, and key files")
    .addArgument(new Argument("<action>", "what to do").choices(BACKUP_ACTIONS))
    .argument("[file]", "the key file of export and import")
    .option("--passphrase", "restore, create: ask for the passphrase instead of the recovery key")
    .option("--without-key", "restore: the backup's key is here already")
    .addOption(
      new Option(
        "--replace [what]",
        "create: in place of the backup that is there (the default), the secret storage, or both; asks first",
      ).choices(["backup", "storage", "all"]),
    )
    .option(...JSON_OPTION)
    .action((action: BackupAction, file: string | undefined, options: BackupOptions) =>
      does(async (config) => (await import("./backup.ts")).backup(outside, config, action, file, options)),
    );
};

export const addIdentity = (wiring: Wiring): void => {
  addVerify(wiring);
  addTrust(wiring);
  addBackup(wiring);
};
