// Sessions, logins, certificates and retained messages, against mosquitto.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, it } from "vitest";
import { needs, which } from "#test/support/peers.ts";
import { advanceUntil, until } from "../harness.ts";
import { makeCertificates } from "./certificates.ts";
import { publish, run } from "./mosquitto.ts";
import { logged, onStage } from "./stage.ts";

const TOPIC = "home/kitchen/temperature";

needs("mosquitto", which("mosquitto"), (program) => {
  it("recognises a redelivery after it was killed before its PUBACK", () =>
    onStage({ program }, async ({ broker, harness, up }) => {
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, "held-client.ts"), String(broker.port)],
        {
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      let said = "";
      child.stdout.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
      await until(() => said.includes("up\n"), "the child to be connected");
      await publish(broker.port, TOPIC, "21.5");
      await until(() => said.includes("receipt "), "the child to have the message");
      child.kill("SIGKILL");
      await once(child, "exit");
      await up();
      await until(() => harness.emitted.length === 1, "the redelivery");
      const key = /receipt (\S+)/.exec(said)?.[1];
      expect(harness.emitted[0]?.receipt).toEqual({ key, maybeRepeated: true });
      harness.emitMode = "durable";
    }));

  it("gets what was published while it was away, once", () =>
    onStage({ program }, async ({ broker, harness, driver, up, again }) => {
      await up();
      await driver.stop();
      for (const value of ["1", "2", "3"]) await publish(broker.port, TOPIC, value);
      await again();
      await until(() => harness.readings().length === 3, "three messages");
      expect(harness.readings().map(({ value }) => value)).toEqual([1, 2, 3]);
      expect(harness.emitted.every(({ receipt }) => receipt?.maybeRepeated === false)).toBe(true);
    }));

  it("gives nothing of a clean session back", () =>
    onStage(
      { program, options: () => ({ clean: true, client_id: undefined }) },
      async ({ broker, harness, driver, up, again }) => {
        await up();
        await driver.stop();
        await publish(broker.port, TOPIC, "1");
        await again();
        await publish(broker.port, TOPIC, "2");
        await until(() => harness.readings().length > 0, "a message");
        expect(harness.readings().map(({ value }) => value)).toEqual([2]);
      },
    ));

  for (const version of ["3.1.1", "5"] as const) {
    it(`counts retained messages, and does not get them again after a lost connection (${version})`, () =>
      onStage({ program, options: () => ({ version }) }, async ({ broker, harness, up }) => {
        await publish(broker.port, TOPIC, "20", ["-r", "-q", "1"]);
        await up();
        await until(() => harness.counted("retained") === 1, "the retained message");
        // The second client of the same name throws ours out.
        await run("mosquitto_pub", [
          "-p",
          String(broker.port),
          "-i",
          "petrel-test",
          "-c",
          "-t",
          "x",
          "-m",
          "x",
        ]);
        await until(() => harness.state() === "down", "the connection to be lost");
        await advanceUntil(harness, () => harness.state() === "up", "up again");
        await publish(broker.port, TOPIC, "21");
        await until(() => harness.readings().length === 2, "the next message");
        expect(harness.readings().map(({ value }) => value)).toEqual([20, 21]);
        expect(harness.counted("retained")).toBe(1);
      }));

    it(`says once and clearly that the login was refused, without the password (${version})`, () =>
      onStage(
        {
          program,
          config: ["allow_anonymous false"],
          options: () => ({ version, username: "edge", password: "swordfish" }),
        },
        async ({ harness, driver }) => {
          await driver.start();
          const downs = (): number => harness.states.filter(({ state }) => state === "down").length;
          await advanceUntil(harness, () => downs() >= 3, "three attempts");
          const warnings = harness.logs.filter(({ level }) => level === "warn");
          expect(warnings).toHaveLength(1);
          expect(warnings[0]?.message).toMatch(
            /^mqtt:\/\/127\.0\.0\.1:\d+: refused the login .*username and password/,
          );
          expect(JSON.stringify(harness.logs) + JSON.stringify(harness.states)).not.toContain("swordfish");
        },
      ));
  }

  it("logs in with user and password", () =>
    onStage(
      {
        program,
        config: ["allow_anonymous false", "password_file {folder}/passwords"],
        options: ({ folder }) => ({ username: "edge", password: "swordfish", client_id: folder }),
        prepare: (folder) =>
          void execFileSync("mosquitto_passwd", ["-b", "-c", join(folder, "passwords"), "edge", "swordfish"]),
      },
      async ({ up, harness }) => {
        await up();
        expect(harness.state()).toBe("up");
      },
    ));

  it("comes back after the broker was away, by itself", () =>
    onStage({ program }, async ({ broker, harness, up }) => {
      await up();
      await broker.kill();
      await until(() => harness.state() === "down", "down");
      expect(harness.states.at(-1)?.detail).toContain(String(broker.port));
      await broker.start();
      await advanceUntil(harness, () => harness.state() === "up", "up again");
      await publish(broker.port, TOPIC, "21");
      await until(() => harness.readings().length === 1, "a message");
    }));

  it("publishes with the wanted quality and retain flag", () =>
    onStage({ program }, async ({ broker, driver, up }) => {
      await up();
      for (const qos of [0, 1, 2] as const)
        await driver.write?.({
          target: "home/relay/set",
          payload: Buffer.from("on"),
          qos,
          retain: qos === 1,
        });
      await until(() => logged(broker, /Received PUBREL/).length === 1, "the last exchange");
      const lines = logged(broker, /Received PUBLISH from petrel-test/);
      expect(lines.map((line) => /q\d, r\d/.exec(line)?.[0])).toEqual(["q0, r0", "q1, r1", "q2, r0"]);
    }));

  it("refuses to publish to a filter", () =>
    onStage({ program }, async ({ driver, up }) => {
      await up();
      await expect(driver.write?.({ target: "home/#", payload: Buffer.from("on") })).rejects.toThrow(
        /no topic/,
      );
    }));

  for (const version of ["3.1.1", "5"] as const)
    it(`is not kept from its broker by a huge retained message (${version})`, () =>
      onStage({ program, options: () => ({ version }) }, async ({ broker, harness, up }) => {
        const args = ["-p", String(broker.port), "-t", TOPIC, "-q", "1", "-r", "-s"];
        await run("mosquitto_pub", args, "9".repeat(1_000_000));
        await up();
        await publish(broker.port, TOPIC, "21.5");
        await until(() => harness.readings().length === 1, "the message after the huge one");
        expect(harness.state()).toBe("up");
        // MQTT 5 brokers are told the maximum, and keep the message to themselves.
        expect(harness.counted("oversize")).toBe(version === "5" ? 0 : 1);
        const acks = (): string[] => logged(broker, /Received PUBACK from petrel-test/);
        await until(() => acks().length === (version === "5" ? 1 : 2), "the acknowledgements");
      }));
});

needs("mosquitto and openssl", which("mosquitto") && which("openssl"), () => {
  const program = which("mosquitto") ?? "";
  const config = [
    "allow_anonymous true",
    "cafile {folder}/ca.pem",
    "certfile {folder}/server.pem",
    "keyfile {folder}/server.key",
    "require_certificate true",
  ];
  const tls = (folder: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
    ca: join(folder, "ca.pem"),
    cert: join(folder, "client.pem"),
    key: join(folder, "client.key"),
    servername: "broker.test",
    ...more,
  });
  const secure = (more: Record<string, unknown> = {}) => ({
    program,
    config,
    prepare: makeCertificates,
    options: ({ port, folder }: { port: number; folder: string }) => ({
      url: `mqtts://127.0.0.1:${port}`,
      tls: tls(folder, more),
    }),
  });

  it("speaks TLS with a certificate authority, a client certificate and a server name of its own", () =>
    onStage(secure(), async ({ up, harness }) => {
      await up();
      expect(harness.state()).toBe("up");
    }));

  const refusal = (title: string, more: Record<string, unknown>, expected: RegExp): void =>
    it(title, () =>
      onStage(secure(more), async ({ driver, harness }) => {
        await driver.start();
        await until(() => harness.state() === "down", "down");
        expect(harness.states.at(-1)?.detail).toMatch(expected);
      }),
    );

  refusal(
    "says that an unknown authority signed the broker's certificate",
    { ca: undefined },
    /trusted authority: set tls\.ca/,
  );
  refusal("says that the certificate carries another name", { servername: "other.test" }, /another name/);
  refusal(
    "says that the broker wants a client certificate",
    { cert: undefined, key: undefined },
    /certificate/,
  );

  it("refuses to start when a certificate cannot be read", () =>
    onStage(secure({ ca: "/nonexistent/ca.pem" }), async ({ driver }) => {
      await expect(driver.start()).rejects.toThrow("tls.ca: cannot read /nonexistent/ca.pem");
    }));
});
