// Bad input at run time: one clear line each with a next step, an exit code where it cannot go on, back-off where it can, and nothing else disturbed.
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { freePort } from "#scripts/servers/child.ts";
import { createPty } from "#test/drivers/pty.ts";
import { call, text } from "#test/peers/http.ts";
import { needs, which } from "#test/support/peers.ts";
import { makeSite, type Site } from "./petrel.ts";
import { expectEnd, lines, online, stopped } from "./running.ts";

describe("a homeserver that does not want us", () => {
  it("a wrong password ends the run and says where to look", async () => {
    const site = await makeSite();
    writeFileSync(join(site.folder, "password"), "wrong");
    expectEnd(
      await site.petrel(["run"]),
      5,
      /^Petrel cannot go on: login as .*: wrong user name or password: check both/,
    );
  });

  it("a room that does not exist, and one of somebody else, end the run and name the key", async () => {
    const site = await makeSite();
    site.configure({ rooms: '{ data: { room: "#nope:example.org" } }' });
    expectEnd(
      await site.petrel(["run"]),
      5,
      /rooms\.data\.room: cannot join #nope:example\.org: .*or correct the room/,
    );
    const { json } = await call(site.server.url, "POST", "/_matrix/client/v3/createRoom", {
      token: site.operator.accessToken,
      body: { preset: "private_chat" },
    });
    const foreign = text(json, "room_id");
    site.configure({ rooms: `{ people: { room: "${foreign}" } }` });
    expectEnd(
      await site.petrel(["run"]),
      5,
      /rooms\.people\.room: cannot join .*invite @drone:example\.org there/,
    );
  });

  it("neither a soft logout nor a revoked token ends the run: the password of the configuration gets another", async () => {
    const site = await makeSite();
    const agent = site.start(["run"]);
    await online(site, agent);
    site.server.expireTokens(site.device.userId);
    const before = site.telemetry().length;
    await site.server.waitUntil(() => site.telemetry().length > before + 1000, 20_000);
    site.server.revokeTokens(site.device.userId);
    await agent.says(/does not know this device any more .*: it was logged out.*readings are kept meanwhile/);
    await agent.says(/logged in again/);
    const then = site.telemetry().length;
    await site.server.waitUntil(() => site.telemetry().length > then + 1000, 20_000);
    expect((await stopped(agent)).code).toBe(0);
  });
});

describe("a homeserver that cannot be reached", () => {
  it("is waited for with back-off, while readings are kept; then they arrive", async () => {
    const site = await makeSite();
    await site.server.offline();
    const agent = site.start(["run"]);
    await agent.says(/connection refused: is the homeserver running.*next try in \d s/);
    await agent.says(/next try in [2-9] s/);
    const waiting = await site.petrel(["status", "--json"]);
    expect(JSON.parse(waiting.stdout)).toMatchObject({
      homeserver: "not reachable",
      drivers: [{ state: "up" }],
    });
    const { stderr, code } = await site.petrel(["tail"]);
    expect([stderr, code]).toEqual([expect.stringContaining("has not reached its homeserver yet"), 6]);
    await site.server.online();
    await online(site, agent);
    expect(site.telemetry()).toContain('"seq":0');
    expect((await stopped(agent)).code).toBe(0);
  });

  it("an HTML page in its place is named as one, and tried again", async () => {
    const page: Server = createServer((_request, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<html>Welcome to the hotel</html>");
    });
    await new Promise<void>((resolve) => page.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void page.close());
    const address = page.address();
    const site = await makeSite();
    site.configure({ url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}` });
    const agent = site.start(["run"]);
    await agent.says(/expected JSON, got an HTML page: a proxy or a login page .*next try in \d s/);
    await agent.says(/next try in [2-9] s/);
    expect((await stopped(agent)).code).toBe(0);
    page.closeAllConnections();
  });
});

describe("a device that is not there", () => {
  const SIM = "sim: { type: simulator, interval_ms: 100 }";

  it("a missing port is one warning, and the other drivers go on", async () => {
    const site = await makeSite({
      drivers: `{ ${SIM}, gps: { type: serial, path: /dev/nosuch, baud: 9600 } }`,
    });
    const agent = site.start(["run"]);
    await online(site, agent);
    const status = await site.petrel(["status"]);
    expect(status.stdout).toMatch(/^✗ gps: down \(\/dev\/nosuch: no such port; plug it in, or correct path/m);
    const { stderr } = await stopped(agent);
    expect(lines(stderr, "warn")).toEqual([
      expect.stringMatching(/^\/dev\/nosuch: no such port; plug it in/),
    ]);
    expect(stderr.match(/no such port/g)).toHaveLength(1);
  });

  it("a broker that is away is one warning with what to do", async () => {
    const url = `mqtt://127.0.0.1:${await freePort()}`;
    const mqtt = `b: { type: mqtt, url: "${url}", client_id: d, subscriptions: [{ filter: "a/#" }] }`;
    const site = await makeSite({ drivers: `{ ${SIM}, ${mqtt} }` });
    const agent = site.start(["run"]);
    await agent.says(/nothing listens there: start the broker, or correct url/);
    await online(site, agent);
    expect((await stopped(agent)).code).toBe(0);
  });
});

const child = (program: string, args: readonly string[]): ChildProcess => {
  const made = spawn(program, [...args], { stdio: "ignore" });
  onTestFinished(() => void made.kill("SIGKILL"));
  return made;
};

needs("socat", which("socat"), (socat) => {
  it("lines that are no readings are counted and sampled, and nothing else is disturbed", async () => {
    const pty = await createPty(socat);
    onTestFinished(() => pty.dispose());
    await pty.plugIn();
    const site = await makeSite({ drivers: `{ gps: { type: serial, path: "${pty.path}", baud: 9600 } }` });
    const agent = site.start(["run"]);
    await agent.says(/"msg":"open"/);
    await agent.says(/the homeserver is reachable/);
    // What comes first may be the end of a line that began earlier: it is no reading.
    pty.say(`rest\n1.5\n${"x".repeat(9000)}\n2.5\n`);
    await site.server.waitUntil(() => site.telemetry().includes('"2.5"'), 20_000);
    expect(site.telemetry()).toContain('"1.5"');
    const { stdout } = await site.petrel(["status"]);
    expect(stdout).toMatch(/^gps: .*1 overlong/m);
    const { stderr } = await stopped(agent);
    expect(lines(stderr, "warn")).toEqual([expect.stringContaining("expected a line of at most 4096 bytes")]);
  });

  const flock = which("flock");
  if (flock !== null)
    it("a port held by another process is named, with how to find who", async () => {
      const pty = await createPty(socat);
      onTestFinished(() => pty.dispose());
      await pty.plugIn();
      child(flock, ["-x", pty.path, "sleep", "60"]);
      const site = await makeSite({ drivers: `{ gps: { type: serial, path: "${pty.path}", baud: 9600 } }` });
      const agent = site.start(["run"]);
      await agent.says(/held by another process; stop that one \(fuser -v .* shows it/);
      expect((await stopped(agent)).code).toBe(0);
    });
});

const listens = async (port: number): Promise<void> => {
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

needs("mosquitto", which("mosquitto"), (mosquitto) => {
  const startBroker = async (folder: string, config: string): Promise<number> => {
    const port = await freePort();
    const file = join(folder, "mosquitto.conf");
    writeFileSync(file, `listener ${port} 127.0.0.1\n${config}\n`);
    child(mosquitto, ["-c", file]);
    await listens(port);
    return port;
  };

  const driver = (port: number, more: string): string =>
    `{ b: { type: mqtt, url: "mqtt://127.0.0.1:${port}", client_id: d, ${more}, subscriptions: [{ filter: "a/#", readings: [{ name: x, from: v, type: number }] }] } }`;

  it("a wrong MQTT password is named, and not shown", async () => {
    const site = await makeSite();
    const port = await startBroker(site.folder, "allow_anonymous false");
    writeFileSync(join(site.folder, "mqtt"), "broker-secret-9", { mode: 0o600 });
    site.configure({ drivers: driver(port, `username: u, password: { file: ${site.folder}/mqtt }`) });
    const agent = site.start(["run"]);
    await agent.says(/refused the login .*check username and password/);
    expect((await stopped(agent)).stderr).not.toContain("broker-secret-9");
  });

  const publisher = which("mosquitto_pub");
  if (publisher !== null)
    it("a payload that is no reading is counted and sampled, and the next one arrives", async () => {
      const site = await makeSite();
      const port = await startBroker(site.folder, "allow_anonymous true");
      site.configure({ drivers: driver(port, "clean: true") });
      const agent = site.start(["run"]);
      await agent.says(/"msg":"open"/);
      await agent.says(/the homeserver is reachable/);
      for (const payload of ['{"v":"many"}', '{"v":2.5}'])
        child(publisher, ["-p", String(port), "-q", "1", "-t", "a/x", "-m", payload]);
      await site.server.waitUntil(() => site.telemetry().includes('"2.5"'), 20_000);
      await agent.says(/expected a number, found many/);
      expect((await site.petrel(["status"])).stdout).toMatch(/^b: .*1 malformed/m);
      expect((await stopped(agent)).code).toBe(0);
    });
});

describe("a store that cannot be used", () => {
  it("a state folder that is none, or cannot be made, ends the run and names the key", async () => {
    const site = await makeSite();
    writeFileSync(join(site.folder, "state"), "a file");
    expectEnd(
      await site.petrel(["run"]),
      4,
      /^Petrel cannot start: state folder .*expected a folder.*; device\.state names another place$/,
    );
    site.configure({ state: "/proc/nowhere/state" });
    expectEnd(
      await site.petrel(["run"]),
      4,
      /state folder \/proc\/nowhere\/state: cannot be used \(.*\); device\.state names another place$/,
    );
  });

  const ranOnce = async (): Promise<Site> => {
    const site = await makeSite();
    const agent = site.start(["run"]);
    await agent.says(/Petrel runs/);
    await stopped(agent);
    return site;
  };

  it("a broken store is set aside and named, and the next start begins anew", async () => {
    const site = await ranOnce();
    truncateSync(join(site.state, "petrel.db"), 5000);
    expectEnd(
      await site.petrel(["run"]),
      4,
      /damaged.*It was set aside as .*petrel\.db\.broken-.*; the next start begins with an empty store$/,
    );
    expect(readdirSync(site.state).some((name) => name.startsWith("petrel.db.broken-"))).toBe(true);
    const agent = site.start(["run"]);
    await agent.says(/Petrel runs/);
  });

  it("a key that is missing, another, too short or open to others is refused, and nothing is lost", async () => {
    const site = await ranOnce();
    const key = join(site.state, "store.key");
    const put = (bytes: Uint8Array, mode: number): void => {
      rmSync(key, { force: true });
      writeFileSync(key, bytes);
      chmodSync(key, mode);
    };
    rmSync(key);
    expectEnd(
      await site.petrel(["run"]),
      4,
      /petrel\.db is there, but its key .*store\.key is not: bring the key back/,
    );
    put(new Uint8Array(32).fill(7), 0o600);
    expectEnd(
      await site.petrel(["run"]),
      4,
      /expected the key it was made with, found another; give it that key/,
    );
    put(new Uint8Array(20), 0o600);
    expectEnd(await site.petrel(["run"]), 4, /expected 32 raw bytes, found 20/);
    put(new Uint8Array(32), 0o644);
    expectEnd(await site.petrel(["run"]), 4, /readable by its owner only, found mode 644; chmod 600 it/);
    expect(readdirSync(site.state)).toContain("petrel.db");
  });

  it("a path too long for a socket costs the verbs, not the readings", async () => {
    const site = await makeSite();
    site.configure({ state: join(site.folder, "x".repeat(110)) });
    const agent = site.start(["run"]);
    await agent.says(/no control socket at .*a shorter device\.state helps/);
    await online(site, agent);
    expect((await stopped(agent)).code).toBe(0);
  });
});

describe("a server of another protocol", () => {
  it("is named as such by check --online", async () => {
    const server = createTcpServer(
      (socket) =>
        void socket
          .on("error", () => undefined)
          .resume()
          .end("SSH-2.0-OpenSSH\r\n"),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const address = server.address();
    const site = await makeSite();
    site.configure({ url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}` });
    const ran = await site.petrel(["check", "--online"]);
    expect(ran.code).toBe(6);
    expect(ran.stderr).toMatch(/what answers there does not speak HTTP: is it the right port\?/);
  });
});
