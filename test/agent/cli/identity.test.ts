// `petrel verify` and `petrel trust` beside a running agent, with matrix-sdk-crypto (the code in Element) as the operator's client.
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ALL_METHODS, METHODS, startTheirs, type Theirs } from "#test/crypto/machine/support/theirs.ts";
import { makeSite, type Petrel, type Site, temporaryFolder } from "./petrel.ts";

const AGENT = "@drone:example.org";
const SAS = [METHODS["sas"]];
let site: Site;
let operator: Theirs;
beforeAll(async () => {
  site = await makeSite({ encrypted: true });
  const agent = site.start(["run"]);
  await agent.says(/the homeserver is reachable/);
  operator = await startTheirs(site.server, await site.server.addUser("operator"), AGENT);
  await operator.peer.call("bootstrap");
  await operator.peer.call("track", [AGENT, operator.user.userId]);
}, 60_000);
afterAll(() => operator.peer.close());

/** The operator's client syncs until the program is over. */
const drive = async (petrel: Petrel, each: () => Promise<void>) => {
  let over = false;
  const ended = petrel.ended.finally(() => {
    over = true;
  });
  while (!over) {
    await operator.peer.call("sync");
    await each();
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 100))]);
  }
  return ended;
};
const program = (exitCode: number): { file: string; said: () => string } => {
  const folder = temporaryFolder();
  const [file, log] = [join(folder, "approve"), join(folder, "said")];
  writeFileSync(file, `#!/bin/sh\nprintf '%s|' "$@" > ${log}\nexit ${exitCode}\n`);
  chmodSync(file, 0o755);
  return { file, said: () => readFileSync(log, "utf8") };
};
/** Does once what can be done once; what is not there yet is tried again. */
const once = (work: () => Promise<unknown>): (() => Promise<void>) => {
  let done = false;
  return async () => {
    if (done) return;
    await work().then(
      () => {
        done = true;
      },
      () => undefined,
    );
  };
};
/** The flow of the verification that this test begins: those before it are over. */
let before = 0;
beforeEach(async () => {
  before = (await operator.peer.call<string[]>("flows")).length;
});
const flowOf = async (): Promise<string> => {
  const flow = (await operator.peer.call<string[]>("flows"))[before];
  if (flow === undefined) throw new Error("not yet");
  return flow;
};

describe("petrel verify", () => {
  it("asks the operator, shows symbols and numbers to a program, and both are verified", async () => {
    const approval = program(0);
    const petrel = site.start(["verify", operator.user.userId, "--yes-if-match", approval.file]);
    const accept = once(async () => operator.peer.call("accept", AGENT, await flowOf(), SAS));
    const acceptSas = once(async () => operator.peer.call("acceptSas", AGENT, await flowOf()));
    const confirm = once(async () => {
      const flow = await flowOf();
      const { decimals } = await operator.peer.call<{ decimals: number[] }>("shown", AGENT, flow);
      if (decimals.length === 0) throw new Error("not yet");
      await operator.peer.call("confirm", AGENT, flow);
      expect(approval.said()).toContain(decimals.join(" "));
    });
    const ran = await drive(petrel, async () => {
      await accept();
      await acceptSas();
      if (petrel.stdout().includes("numbers:")) await confirm();
    });
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stdout).toMatch(/numbers: \d{4} \d{4} \d{4}\nverified: @operator:example\.org\n$/);
    await operator.peer.call("track", [AGENT, operator.user.userId]);
    expect(await operator.peer.call("identity", AGENT)).toMatchObject({ verified: true });
    const trust = await site.petrel(["trust", operator.user.userId]);
    expect(trust).toMatchObject({ code: 0, stderr: "" });
    expect(trust.stdout).toMatch(/^@operator:example\.org: verified$/m);
    expect(trust.stdout).toMatch(/fingerprint: (\S{4} ){10}\S{3}$/m);
  }, 60_000);

  it("ends unverified where the program says no", async () => {
    const petrel = site.start(["verify", "--yes-if-match", program(1).file]);
    const { deviceId } = await own();
    await operator.peer.call("requestDevice", AGENT, deviceId, ALL_METHODS);
    const acceptSas = once(async () => operator.peer.call("acceptSas", AGENT, await flowOf()));
    const ran = await drive(petrel, acceptSas);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("not verified: The strings do not match. (m.mismatched_sas)");
  }, 60_000);

  it("lists, takes steps, and says what it does not know", async () => {
    const list = await site.petrel(["verify", "--list"]);
    expect(list.stdout).toMatch(/done +@operator:example\.org/);
    expect(await site.petrel(["verify", "--id", "99", "--step", "accept"])).toMatchObject({
      code: 1,
      stderr: "petrel: there is no verification of that number\n",
    });
    expect((await site.petrel(["verify", "@nobody:example.org"])).stderr).toContain("no device");
  });

  it("shows a QR code as text and as a picture", async () => {
    const file = join(temporaryFolder(), "code.png");
    const petrel = site.start([
      "verify",
      operator.user.userId,
      "--qr",
      "--png",
      file,
      "--yes-if-match",
      "/bin/true",
    ]);
    const accept = once(async () => operator.peer.call("accept", AGENT, await flowOf(), ALL_METHODS));
    const cancel = once(async () => operator.peer.call("cancelRequest", AGENT, await flowOf()));
    const ran = await drive(petrel, async () => {
      await accept();
      if (petrel.stderr().includes("scan the code")) await cancel();
    });
    expect(ran.stdout).toContain("\u2588\u2588");
    expect(readFileSync(file).subarray(1, 4).toString()).toBe("PNG");
  }, 60_000);
});

describe("petrel verify --scan", () => {
  it("scans the operator's code, given as text, and both are verified", async () => {
    const petrel = site.start(["verify", operator.user.userId, "--scan"], { input: { open: true } });
    const accept = once(async () => operator.peer.call("accept", AGENT, await flowOf(), ALL_METHODS));
    const show = once(async () => {
      const code = await operator.peer.call<string | null>("showQr", AGENT, await flowOf());
      if (code === null) throw new Error("not yet");
      petrel.input(`${code}\n`);
    });
    const confirm = once(async () => operator.peer.call("confirmScanning", AGENT, await flowOf()));
    const ran = await drive(petrel, async () => {
      await accept();
      await show();
      if (petrel.stderr().includes("scanned: say on the other device")) await confirm();
    });
    expect(ran).toMatchObject({ code: 0, stdout: "verified: @operator:example.org\n" });
  }, 60_000);

  it("refuses what is no code before it asks anybody, and says what it wants", async () => {
    const ran = await site.petrel(["verify", operator.user.userId, "--scan", "bm90IGEgY29kZQ"]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("expected the bytes of a verification code");
  });
});

const own = async (): Promise<{ deviceId: string }> => {
  const { stdout } = await site.petrel(["trust", "--json"]);
  const { devices } = JSON.parse(stdout) as { devices: { id: string }[] };
  return { deviceId: devices[0]?.id ?? "" };
};

describe("petrel trust", () => {
  it("shows the agent's own identity, and refuses a fingerprint that is not the user's", async () => {
    expect((await site.petrel(["trust"])).stdout).toMatch(/^ {2}cross-signing: ours$/m);
    const wrong = await site.petrel(["trust", operator.user.userId, "--fingerprint", "A".repeat(43)]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("another master key");
  });
});

describe("petrel backup", () => {
  it("is made with a recovery key that is shown once, filled, and opened with that key", async () => {
    expect((await site.petrel(["backup", "status"])).stdout).toContain("key backup: none");
    const made = await site.petrel(["backup", "create"]);
    expect(made).toMatchObject({ code: 0 });
    const [recoveryKey] = /(\S{4} ){11}\S{4}/.exec(made.stdout) ?? [""];
    expect(recoveryKey).toMatch(/^Es/);
    expect((await site.petrel(["backup", "status"])).stdout).toMatch(
      /^key backup: on\n {2}version 1: [1-9]\d* sessions of this device in it, 0 wait\nsecret storage: there\ncross-signing: ours$/m,
    );
    const restored = await site.petrel(["backup", "restore"], { input: `${recoveryKey}\n` });
    expect(restored.stdout).toMatch(/^0 new sessions, .* known already; cross-signing: ours$/m);
    const wrong = await site.petrel(["backup", "restore"], { input: "EsTc nonsense\n" });
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("does not open this account's secret storage");
  });

  it("makes a new secret storage only after a word that says so, and the old key opens nothing any more", async () => {
    const before = await site.petrel(["backup", "create", "--replace", "storage"], { input: "yes\n" });
    expect(before.code).toBe(1);
    expect(before.stderr).toMatch(/The old recovery key .* open nothing any more/);
    expect(before.stderr).toContain("This cannot be undone.");
    expect(before.stderr).toContain("nothing was changed");
    const made = await site.petrel(["backup", "create", "--replace", "storage"], { input: "replace\n" });
    expect(made).toMatchObject({ code: 0 });
    const [recoveryKey] = /(\S{4} ){11}\S{4}/.exec(made.stdout) ?? [""];
    const restored = await site.petrel(["backup", "restore"], { input: `${recoveryKey}\n` });
    expect(restored.stdout).toMatch(/ known already; cross-signing: ours$/m);
    const all = await site.petrel(["backup", "create", "--replace", "all"], { input: "replace\n" });
    expect(all.code).toBe(0);
    const stale = await site.petrel(["backup", "restore"], { input: `${recoveryKey}\n` });
    expect(stale.stderr).toContain("does not open this account's secret storage");
  }, 60_000);

  it("exports to a file that is not there yet, and imports from it with its passphrase alone", async () => {
    const file = join(temporaryFolder(), "keys.txt");
    const exported = await site.petrel(["backup", "export", file], { input: "a passphrase\n" });
    expect(exported.stdout).toMatch(/^[1-9]\d* sessions in /);
    expect(readFileSync(file, "utf8")).toContain("-----BEGIN MEGOLM SESSION DATA-----");
    expect((await site.petrel(["backup", "export", file], { input: "x\n" })).stderr).toContain("EEXIST");
    const imported = await site.petrel(["backup", "import", file], { input: "a passphrase\n" });
    expect(imported.stdout).toMatch(/^0 new sessions, .* [1-9]\d* known already$/m);
    expect((await site.petrel(["backup", "import", file], { input: "another\n" })).code).toBe(1);
  });
});
