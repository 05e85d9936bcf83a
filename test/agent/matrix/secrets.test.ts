// No token and no password in any error or log line, whatever happens, even when the server repeats them.
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { readSession } from "#agent/matrix/session-table.ts";
import type { MatrixError } from "#agent/matrix/types.ts";
import type { FaultKind } from "#test/homeserver/faults.ts";
import { failureOf, openRig, pairInARoom, passwordOf, type Rig, runSync } from "./support.ts";
import { closedPort, plainServer } from "./throwaway-server.ts";

/** Everything that a careless logger could print of an error, causes included. */
const printed = (error: unknown): string =>
  `${inspect(error, { depth: 10, showHidden: false })} ${JSON.stringify(error)}`;

const logged = (rig: Rig): string => JSON.stringify(rig.runtime.lines);

const secretsOf = (rig: Rig, password: string): readonly string[] => {
  const granted = readSession(rig.store)?.granted;
  return [granted?.accessToken, granted?.refreshToken, password].filter(
    (secret) => typeof secret === "string",
  );
};

const FAULTS: readonly FaultKind[] = [
  { kind: "answer-lost" },
  { kind: "refused" },
  { kind: "cut" },
  { kind: "html" },
  { kind: "html", status: 502 },
  { kind: "limited", retryAfterMs: 10 },
  { kind: "status", status: 403, body: { errcode: "M_FORBIDDEN" } },
  { kind: "status", status: 500 },
  { kind: "status", status: 401, body: { errcode: "M_UNKNOWN_TOKEN" } },
  { kind: "status", status: 401, body: { errcode: "M_UNKNOWN_TOKEN", soft_logout: true } },
];

it("no failure of a request, a refresh, a login or the sync shows a secret", async () => {
  const { server, device, rig, roomId } = await pairInARoom();
  const secrets = new Set(secretsOf(rig, device.password));
  expect(secrets.size).toBe(3);
  const texts: string[] = [];
  for (const fault of FAULTS) {
    server.fault({ ...fault, times: 6, match: { path: /^\/_matrix/ } });
    const errors: MatrixError[] = [
      await failureOf(rig.client.send(roomId, "t", `txn-${JSON.stringify(fault)}`, {})),
      await failureOf(rig.client.whoami()),
      await failureOf(openRig(server.url, device)),
    ];
    server.clearFaults();
    texts.push(...errors.map(printed));
    for (const secret of secretsOf(rig, device.password)) secrets.add(secret);
  }
  const running = runSync(rig);
  for (const fault of FAULTS.slice(0, 8)) {
    server.fault({ ...fault, match: { path: /\/sync$/ } });
    running.sync.poke();
  }
  server.revokeTokens(device.userId);
  running.sync.poke();
  texts.push(printed(await failureOf(running.done)), logged(rig), JSON.stringify(running.states));
  for (const secret of secretsOf(rig, device.password)) secrets.add(secret);
  const all = texts.join("\n");
  expect(all.length).toBeGreaterThan(5000);
  for (const secret of secrets) expect(all.includes(secret)).toBe(false);
});

describe("a server that repeats what it was sent", () => {
  const echoing = (status: number): Promise<string> =>
    plainServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        if (request.url?.endsWith("/versions") === true) return response.end('{"versions":["v1.1"]}');
        if (request.method === "GET") return response.end('{"flows":[{"type":"m.login.password"}]}');
        const error = `got ${Buffer.concat(chunks).toString()} with ${request.headers.authorization}`;
        return response.writeHead(status).end(JSON.stringify({ errcode: "M_X", error }));
      });
    });

  it.each([400, 403, 429, 500])(
    "shows no password in the error of a login with status %i",
    async (status) => {
      const user = { userId: "@a:b", deviceId: "D", accessToken: "syt_x", password: "hunter2" };
      const error = await failureOf(openRig(await echoing(status), user, { credentials: passwordOf(user) }));
      expect(error.message).toContain("[secret]");
      expect(printed(error)).not.toContain("hunter2");
    },
  );
});

it("a login that cannot reach the server shows no password", async () => {
  const user = { userId: "@a:b", deviceId: "D", accessToken: "syt_x", password: "hunter2" };
  const error = await failureOf(openRig(await closedPort(), user));
  expect(printed(error)).toContain("connection refused");
  expect(printed(error)).not.toContain("hunter2");
});
