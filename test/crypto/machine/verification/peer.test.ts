// Verification with matrix-sdk-crypto (the code in Element) over the loopback homeserver, both directions.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Verification } from "#crypto/machine/verification/calls.ts";
import { type Homeserver, startHomeserver } from "#test/homeserver/homeserver.ts";
import { type Client, inside } from "../support/loopback.ts";
import { ALL_METHODS, exchange, METHODS, meetDevices, meetUsers, type Theirs } from "../support/theirs.ts";

let server: Homeserver;
let met: { readonly client: Client; readonly theirs: Theirs } | null = null;
beforeEach(async () => {
  server = await startHomeserver();
});
afterEach(async () => {
  await met?.theirs.peer.close();
  met = null;
  await server.stop();
});

const SAS = [METHODS.sas];
const base64 = (bytes: Uint8Array | null): string => Buffer.from(bytes ?? []).toString("base64");

/** Drives one verification on both sides. */
const pair = ({ client, theirs }: NonNullable<typeof met>) => {
  const { ours, user } = client;
  const flowOf = (id: string): string => ours.store.get("verification", "", id)?.flowId ?? "";
  return {
    ours,
    us: user.userId,
    them: theirs.user.userId,
    exchange: (rounds?: number) => exchange(client, theirs, rounds),
    newest: (): Verification => ours.in((calls) => calls.verifications()).at(-1) as Verification,
    flowOf,
    their: <T>(name: string, ...args: unknown[]): Promise<T> =>
      theirs.peer.call<T>(name, user.userId, ...args),
    peer: theirs.peer,
    http: client.http,
  };
};
type Pair = ReturnType<typeof pair>;

/** Compares what both show, and confirms on both sides. */
const compareAndConfirm = async (p: Pair, flow: string): Promise<void> => {
  const shown = await p.their<{ numbers: number[]; decimals: number[] }>("shown", flow);
  const mine = p.newest();
  if (mine.phase !== "compare") throw new Error(`expected compare, found ${JSON.stringify(mine)}`);
  expect(mine.emoji?.map(({ number }) => number)).toEqual(shown.numbers);
  expect(mine.decimals).toEqual(shown.decimals);
  p.ours.in((calls) => calls.confirmVerification(mine.id));
  await p.exchange(1);
  await p.their("confirm", flow);
  await p.exchange();
  expect(p.newest()).toMatchObject({ phase: "done" });
  expect(await p.peer.call("state", flow)).toEqual({ done: true, cancelled: null });
};

const start = async (kind: "users" | "ours" | "theirs"): Promise<Pair> => {
  met = kind === "users" ? await meetUsers(server) : await meetDevices(server, kind);
  return pair(met);
};

const bothVerified = async (p: Pair): Promise<void> => {
  // Who shares no room is not told of new signatures: they ask.
  await p.peer.call("track", [p.us, p.them]);
  expect(p.ours.in((calls) => calls.identityStatus(p.them))).toBe("verified");
  expect(await p.their("identity")).toMatchObject({ verified: true });
};

const ourState = (p: Pair) => p.ours.in((calls) => calls.crossSigning());

describe("an identity that we made", () => {
  it("is one that they can verify, our device cross-signed", async () => {
    const p = await start("users");
    expect(await p.their("device", met?.client.user.deviceId)).toMatchObject({ crossSigned: true });
    expect(await p.their("identity")).toEqual({ verified: false, own: false });
  });
});

describe("users compare strings over to-device messages", () => {
  it("they ask and start", async () => {
    const p = await start("users");
    const flow = await p.their<string>("requestDevice", met?.client.user.deviceId, ALL_METHODS);
    await p.exchange(1);
    expect(p.newest()).toMatchObject({ phase: "asked", userId: p.them, ours: false });
    p.ours.in((calls) => calls.acceptVerification(p.newest().id));
    await p.exchange(1);
    await p.their("startSas", flow);
    await p.exchange(2);
    await compareAndConfirm(p, flow);
    await bothVerified(p);
  });

  it("we ask and start", async () => {
    const p = await start("users");
    const { id } = p.ours.in((calls) => calls.requestVerification(p.them));
    const flow = p.flowOf(id);
    await p.exchange(1);
    await p.their("accept", flow, SAS);
    await p.exchange(1);
    expect(p.newest()).toMatchObject({ phase: "ready", sas: true, showsQr: false });
    p.ours.in((calls) => calls.startSas(id));
    await p.exchange(1);
    await p.their("acceptSas", flow);
    await p.exchange(2);
    await compareAndConfirm(p, flow);
    await bothVerified(p);
  });

  it("both start at once: one start counts", async () => {
    const p = await start("users");
    const flow = await p.their<string>("requestDevice", met?.client.user.deviceId, SAS);
    await p.exchange(1);
    p.ours.in((calls) => calls.acceptVerification(p.newest().id));
    await p.exchange(1);
    await p.their("startSas", flow);
    p.ours.in((calls) => calls.startSas(p.newest().id));
    await p.exchange(1);
    // @ours is smaller than @theirs: they take our start.
    await p.their("acceptSas", flow);
    await p.exchange(2);
    await compareAndConfirm(p, flow);
  });

  it.each(["ours", "theirs"] as const)(
    "the strings differ, %s says: both end, nothing is verified",
    async (who) => {
      const p = await start("users");
      const flow = await p.their<string>("requestDevice", met?.client.user.deviceId, SAS);
      await p.exchange(1);
      p.ours.in((calls) => calls.acceptVerification(p.newest().id));
      await p.exchange(1);
      await p.their("startSas", flow);
      await p.exchange(2);
      if (who === "ours") p.ours.in((calls) => calls.mismatchVerification(p.newest().id));
      else await p.their("mismatch", flow);
      await p.exchange();
      expect(p.newest()).toMatchObject({
        phase: "cancelled",
        code: "m.mismatched_sas",
        byUs: who === "ours",
      });
      expect(await p.peer.call("state", flow)).toEqual({ done: false, cancelled: "m.mismatched_sas" });
      expect(p.ours.in((calls) => calls.identityStatus(p.them))).toBe("pinned");
    },
  );

  it("one of us does not want to: the other side hears of it", async () => {
    const p = await start("users");
    const flow = await p.their<string>("requestDevice", met?.client.user.deviceId, SAS);
    await p.exchange(1);
    p.ours.in((calls) => calls.cancelVerification(p.newest().id));
    await p.exchange(1);
    expect(await p.peer.call("cancelCode", flow)).toBe("m.user");
    const { id } = p.ours.in((calls) => calls.requestVerification(p.them));
    await p.exchange(1);
    await p.their("cancelRequest", p.flowOf(id));
    await p.exchange(1);
    expect(p.newest()).toMatchObject({ phase: "cancelled", code: "m.user", byUs: false });
  });
});

describe("users compare strings in a room", () => {
  const inRoom = async (p: Pair): Promise<string> => {
    const created = await p.http("POST", "/_matrix/client/v3/createRoom", { invite: [p.them] });
    const roomId = String(inside(created.body)["room_id"]);
    server.inject({
      roomId,
      sender: p.them,
      type: "m.room.member",
      stateKey: p.them,
      content: { membership: "join" },
    });
    await p.exchange(1);
    return roomId;
  };

  it("they ask", async () => {
    const p = await start("users");
    const roomId = await inRoom(p);
    const flow = await p.their<string>("requestInRoom", roomId, SAS);
    await p.exchange(1);
    expect(p.newest()).toMatchObject({ phase: "asked", roomId });
    p.ours.in((calls) => calls.acceptVerification(p.newest().id));
    await p.exchange(1);
    await p.their("startSas", flow);
    await p.exchange(3);
    await compareAndConfirm(p, flow);
    await bothVerified(p);
  });

  it("we ask", async () => {
    const p = await start("users");
    const roomId = await inRoom(p);
    const { id } = p.ours.in((calls) => calls.requestVerification(p.them, { roomId }));
    await p.exchange(1);
    const flow = p.flowOf(id);
    expect(flow).toMatch(/^\$/);
    await p.their("accept", flow, SAS);
    await p.exchange(1);
    p.ours.in((calls) => calls.startSas(id));
    await p.exchange(1);
    await p.their("acceptSas", flow);
    await p.exchange(3);
    await compareAndConfirm(p, flow);
    await bothVerified(p);
  });
});

describe("devices of one user compare strings", () => {
  it.each(["ours", "theirs"] as const)(
    "the identity is %s; both devices are signed in the end",
    async (first) => {
      const p = await start(first);
      const flow = await p.their<string>("requestDevice", met?.client.user.deviceId, SAS);
      await p.exchange(1);
      p.ours.in((calls) => calls.acceptVerification(p.newest().id));
      await p.exchange(1);
      await p.their("startSas", flow);
      await p.exchange(2);
      await compareAndConfirm(p, flow);
      await p.exchange(2);
      expect(ourState(p)).toMatchObject({ state: "ours", deviceSigned: true });
      expect(await p.their("identity")).toMatchObject({ verified: true, own: true });
      const devices = p.ours.in((calls) => calls.devices(p.us));
      expect(devices.map(({ trust }) => trust.verified)).toEqual([true, true]);
    },
  );
});

describe("QR codes", () => {
  it("ours is scanned by another user's device", async () => {
    const p = await start("users");
    const flow = await p.their<string>("requestDevice", met?.client.user.deviceId, ALL_METHODS);
    await p.exchange(1);
    const { id } = p.ours.in((calls) => calls.acceptVerification(p.newest().id));
    await p.exchange(1);
    expect(p.newest()).toMatchObject({ phase: "ready", showsQr: true, scansQr: false });
    await p.their("scanQr", flow, base64(p.ours.in((calls) => calls.verificationQr(id))));
    await p.exchange(1);
    expect(p.newest()).toMatchObject({ phase: "scanned" });
    p.ours.in((calls) => calls.confirmVerification(id));
    await p.exchange();
    expect(p.newest()).toMatchObject({ phase: "done" });
    await bothVerified(p);
  });

  it("theirs is scanned by us", async () => {
    const p = await start("users");
    const { id } = p.ours.in((calls) => calls.requestVerification(p.them, { scan: true }));
    const flow = p.flowOf(id);
    await p.exchange(1);
    await p.their("accept", flow, ALL_METHODS);
    await p.exchange(1);
    expect(p.newest()).toMatchObject({ phase: "ready", scansQr: true });
    const code = Buffer.from((await p.their<string>("showQr", flow)) ?? "", "base64");
    p.ours.in((calls) => calls.scanVerificationQr(id, new Uint8Array(code)));
    await p.exchange(1);
    await p.their("confirmScanning", flow);
    await p.exchange();
    expect(p.newest()).toMatchObject({ phase: "done" });
    await bothVerified(p);
  });

  it.each([
    ["ours", "ours shows, which trusts (mode 1)", "show"],
    ["theirs", "ours shows, which does not yet (mode 2)", "show"],
    ["theirs", "ours scans one that trusts (mode 1)", "scan"],
    ["ours", "ours scans one that does not yet (mode 2)", "scan"],
  ] as const)("between devices of one user, the identity %s: %s", async (first, _, how) => {
    const p = await start(first);
    const { id } = p.ours.in((calls) => calls.requestVerification(p.us, { scan: true }));
    const flow = p.flowOf(id);
    await p.exchange(1);
    await p.their("accept", flow, ALL_METHODS);
    await p.exchange(1);
    if (how === "show") {
      await p.their("scanQr", flow, base64(p.ours.in((calls) => calls.verificationQr(id))));
      await p.exchange(1);
      p.ours.in((calls) => calls.confirmVerification(id));
    } else {
      const code = Buffer.from((await p.their<string>("showQr", flow)) ?? "", "base64");
      p.ours.in((calls) => calls.scanVerificationQr(id, new Uint8Array(code)));
      await p.exchange(1);
      await p.their("confirmScanning", flow);
    }
    await p.exchange();
    expect(p.newest()).toMatchObject({ phase: "done" });
    expect(ourState(p)).toMatchObject({ state: "ours", deviceSigned: true });
    expect(await p.their("identity")).toMatchObject({ verified: true });
  });
});
