// An independent client on the loopback homeserver: two matrix-js-sdk clients talk encrypted in every profile.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { startHomeserver } from "./homeserver.ts";

const PAIR = fileURLToPath(new URL("../peers/js-sdk-pair.ts", import.meta.url));

it.each(["synapse", "dendrite", "conduit"] as const)(
  "two matrix-js-sdk clients talk encrypted through the %s profile",
  async (profile) => {
    const server = await startHomeserver({ profile });
    try {
      const users = [await server.addUser("alice"), await server.addUser("bob")];
      const { stdout } = await promisify(execFile)(
        process.execPath,
        [PAIR, JSON.stringify({ url: server.url, users })],
        {
          timeout: 60_000,
          maxBuffer: 64 * 1024 * 1024,
        },
      );
      const last: unknown = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
      expect(last).toEqual({
        type: "m.room.message",
        content: { msgtype: "m.text", body: "through the loopback" },
      });
    } finally {
      await server.stop();
    }
  },
  90_000,
);
