// What the tests with people's clients share: one site for the tests of a file, which are steps of one story in their order, as the life of an installation is;
// a program that approves a verification; a file in an encrypted room, by the agent's own code.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { createClient } from "#agent/matrix/client.ts";
import { downloadMedia, mediaMessage } from "#agent/media/message.ts";
import type { ClientAccount, Comparison } from "#test/peers/clients/client.ts";
import type { JsonObject } from "#test/peers/http.ts";
import { testHttp } from "../../agent/matrix/support.ts";
import { accessOf } from "../../agent/media/support.ts";
import { temporaryFolder } from "../../agent/whole-agent.ts";

export type AtEnd = (work: () => unknown) => void;

/** What was given to it is done when the file's tests are over, last first. */
export const atEndOfFile = (): AtEnd => {
  const works: (() => unknown)[] = [];
  afterAll(async () => {
    for (const work of works.reverse()) await work();
  });
  return (work) => void works.push(work);
};

export const folderAtEnd = (atEnd: AtEnd): string => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-clients-"));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** The program in a person's place: keeps what it was shown, and says yes. */
export const approver = (): { readonly program: string; readonly shown: () => string } => {
  const folder = temporaryFolder();
  const [program, file] = [join(folder, "approve"), join(folder, "shown")];
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\n%s\\n' "$3" "$4" > '${file}'\n`);
  chmodSync(program, 0o755);
  return { program, shown: () => readFileSync(file, "utf8") };
};

/** What the approver keeps when both sides see the same. */
export const spoken = ({ decimals, emoji }: Comparison): string =>
  `${decimals.join(" ")}\n${emoji.join(",")}\n`;

export interface Files {
  /** Sealed and uploaded: the content of the message. */
  image(bytes: Uint8Array): Promise<JsonObject>;
  fetch(content: JsonObject): Promise<Uint8Array>;
}

const FETCH_BYTES_MAX = 1_000_000;

/** The agent's code for files, as this account; for one test. */
export const filesOf = (url: string, account: ClientAccount): Files => {
  const { accessToken, deviceId, userId } = account;
  const session = {
    userId,
    deviceId,
    baseUrl: url,
    verify: () => Promise.resolve(),
    authorised: <T>(request: (token: string) => Promise<T>) => request(accessToken),
  };
  const access = accessOf(createClient({ http: testHttp(), session }));
  return {
    image: async (bytes) => {
      const item = { kind: "image", name: "field.png", mimetype: "image/png", bytes } as const;
      return (await mediaMessage(access, item, true)) as JsonObject; // JSON by its making
    },
    fetch: (content) => downloadMedia(access, content, FETCH_BYTES_MAX),
  };
};
