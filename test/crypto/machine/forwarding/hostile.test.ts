// Key requests and forwarded keys: whom nothing is asked of, who gets nothing, what is not taken (CVE-2022-39246, -39249, -39251, -39255, -39257; CVE-2021-40823).
import { beforeEach, describe, expect, it } from "vitest";
import type { MachineConfig } from "#crypto/machine/context.ts";
import type { ToDeviceResult } from "#crypto/machine/olm/receive.ts";
import { MegolmInboundSession } from "#crypto/megolm/inbound.ts";
import { MegolmOutboundSession } from "#crypto/megolm/outbound.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { JsonObject } from "#crypto/shape.ts";
import { makeDevice } from "../support/people.ts";
import { HOUR_MS, ROOM, SETTINGS } from "../support/room.ts";
import { makeServer, type Server, send } from "../support/server.ts";
import { makeOurs, type Ours } from "../support/world.ts";

const USER = "@user:example.org";
const OTHER = "@other:example.org";
const KEY_FORWARDING = { asks: true, answers: true };

let server: Server;
/** Asks. */
let first: Ours;
/** A verified device of the same user. */
let second: Ours;

const join = (
  userId: string,
  deviceId: string,
  options: { crossSigned?: boolean } = {},
  config: Partial<MachineConfig> = {},
): Ours => {
  const ours = server.join(makeOurs({ userId, deviceId, keyForwarding: KEY_FORWARDING, ...config }), options);
  ours.in((calls) => {
    calls.trackUsers([USER, OTHER]);
    calls.receiveRoomEncryption(ROOM, SETTINGS);
  });
  for (const machine of server.machines)
    machine.in((calls) => calls.receiveDeviceLists({ changed: [userId], left: [] }));
  server.settle();
  return ours;
};

beforeEach(() => {
  server = makeServer();
  first = join(USER, "FIRST");
  second = join(USER, "SECOND");
});

/** A session with an index 0, and its export from any index. */
const makeSession = () => {
  const outbound = MegolmOutboundSession.create(nodeProvider);
  const inbound = MegolmInboundSession.fromSessionKey(nodeProvider, outbound.sessionKey());
  return { sessionId: outbound.sessionId, exportAt: (index: number) => inbound.exportAt(index) };
};
type Session = ReturnType<typeof makeSession>;

const forwarded = ({ exportAt, sessionId }: Session, more: JsonObject = {}, index = 0): JsonObject => ({
  algorithm: "m.megolm.v1.aes-sha2",
  room_id: ROOM,
  session_id: sessionId,
  session_key: exportAt(index),
  sender_key: "claimed",
  sender_claimed_ed25519_key: "claimed",
  forwarding_curve25519_key_chain: [],
  ...more,
});
const FORWARDED = "m.forwarded_room_key";
const ask = (ours: Ours, sessionId: string): void => {
  ours.in((calls) => calls.requestRoomKey({ roomId: ROOM, sessionId }));
  server.settle();
};
const receive = (ours: Ours, event: JsonObject): readonly ToDeviceResult[] =>
  ours.in((calls) => calls.receiveToDevice([event]));
const has = (ours: Ours, sessionId: string): boolean => ours.store.get("inbound", ROOM, sessionId) !== null;
const sent = (type: string): readonly JsonObject[] =>
  server.sent
    .filter(({ event }) => event["type"] === type)
    .map(({ event }) => event["content"] as JsonObject); // what `carry` keeps

describe("a forwarded key", () => {
  const session = makeSession();

  it("is taken from a verified device that was asked", () => {
    ask(first, session.sessionId);
    expect(receive(first, send(server, second, first, FORWARDED, forwarded(session)))).toMatchObject([
      { kind: "room-key", key: { roomId: ROOM, sessionId: session.sessionId } },
    ]);
    expect(first.store.get("inbound", ROOM, session.sessionId)).toMatchObject({
      owner: null,
      origin: "forwarded",
      forwardedBy: USER,
    });
  });

  it.each<[string, () => JsonObject]>([
    ["that nobody asked for", () => send(server, second, first, FORWARDED, forwarded(session))],
    [
      "of another session than the one asked for",
      () => {
        ask(first, makeSession().sessionId);
        return send(server, second, first, FORWARDED, forwarded(session));
      },
    ],
    [
      "of another room",
      () => {
        ask(first, session.sessionId);
        return send(server, second, first, FORWARDED, forwarded(session, { room_id: "!other:example.org" }));
      },
    ],
    [
      "from another user, whoever was asked",
      () => {
        const other = join(OTHER, "OTHER");
        ask(first, session.sessionId);
        return send(server, other, first, FORWARDED, forwarded(session));
      },
    ],
    [
      "from a device of ours that is not cross-signed",
      () => {
        const plain = join(USER, "PLAIN", { crossSigned: false });
        ask(first, session.sessionId);
        return send(server, plain, first, FORWARDED, forwarded(session));
      },
    ],
    [
      "from a verified device of ours that was not asked",
      () => {
        ask(first, session.sessionId);
        const event = send(server, second, first, FORWARDED, forwarded(session));
        const item = JSON.stringify([ROOM, session.sessionId]);
        const row = first.store.get("keyRequest", "", item);
        if (row === null) throw new Error("nothing was asked for");
        first.store.write([{ table: "keyRequest", group: "", item, row: { ...row, devices: ["THIRD"] } }]);
        return event;
      },
    ],
    [
      "after two weeks",
      () => {
        ask(first, session.sessionId);
        const event = send(server, second, first, FORWARDED, forwarded(session));
        first.nowMs += 14 * 24 * HOUR_MS;
        return event;
      },
    ],
    [
      "whose ID is not its key's",
      () => {
        ask(first, session.sessionId);
        const other = makeSession();
        return send(server, second, first, FORWARDED, {
          ...forwarded(session),
          session_key: other.exportAt(0),
        });
      },
    ],
    [
      "of another algorithm",
      () => {
        ask(first, session.sessionId);
        return send(server, second, first, FORWARDED, forwarded(session, { algorithm: "m.megolm.v2" }));
      },
    ],
    [
      "without its maker's key",
      () => {
        ask(first, session.sessionId);
        return send(server, second, first, FORWARDED, forwarded(session, { sender_claimed_ed25519_key: 7 }));
      },
    ],
    [
      "in clear",
      () => {
        ask(first, session.sessionId);
        return { type: FORWARDED, sender: USER, content: forwarded(session) };
      },
    ],
  ])("is not taken %s", (_name, make) => {
    const event = make();
    expect(receive(first, event)).toMatchObject([{ kind: "invalid" }]);
    expect(has(first, session.sessionId)).toBe(false);
  });

  it("is in no result and no notice, taken or not", () => {
    ask(first, session.sessionId);
    const events = [makeSession(), session].map((each) =>
      send(server, second, first, FORWARDED, forwarded(each)),
    );
    const said = JSON.stringify([events.map((event) => receive(first, event)), first.notices]);
    expect(said).not.toContain(session.exportAt(0).slice(40));
  });

  it("never replaces what its maker sent, and gives it an earlier beginning only on the same ratchet", () => {
    const other = join(OTHER, "OTHER");
    const direct = MegolmOutboundSession.create(nodeProvider);
    const whole = MegolmInboundSession.fromSessionKey(nodeProvider, direct.sessionKey());
    direct.encrypt("0");
    const content = {
      algorithm: "m.megolm.v1.aes-sha2",
      room_id: ROOM,
      session_id: direct.sessionId,
      session_key: direct.sessionKey(),
    };
    receive(first, send(server, other, first, "m.room_key", content));
    expect(first.store.get("inbound", ROOM, direct.sessionId)?.state.earliest.index).toBe(1);
    ask(first, direct.sessionId);
    const real = { sessionId: direct.sessionId, exportAt: (index: number) => whole.exportAt(index) };
    receive(first, send(server, second, first, FORWARDED, forwarded(real, {}, 0)));
    expect(first.store.get("inbound", ROOM, direct.sessionId)).toMatchObject({
      owner: OTHER,
      origin: "device",
    });
    expect(first.store.get("inbound", ROOM, direct.sessionId)?.state.earliest.index).toBe(0);
  });
});

describe("a request of ours", () => {
  it("goes to verified devices of ours and nobody else, also to one that is verified later, once", () => {
    join(OTHER, "OTHER");
    join(USER, "PLAIN", { crossSigned: false });
    const before = server.sent.length;
    ask(first, "session");
    const asked = (): string[] =>
      server.sent
        .slice(before)
        .flatMap(({ event, to }) => (event["type"] === "m.room_key_request" ? [to.config.deviceId] : []));
    expect(asked()).toEqual(["SECOND"]);
    join(USER, "THIRD");
    expect(asked()).toEqual(["SECOND", "THIRD"]);
    server.settle();
    expect(asked()).toHaveLength(2);
  });

  it("names the session and nothing that a reader could not say", () => {
    ask(first, "session");
    expect(sent("m.room_key_request")).toEqual([
      {
        action: "request",
        body: { algorithm: "m.megolm.v1.aes-sha2", room_id: ROOM, session_id: "session" },
        request_id: expect.any(String) as string,
        requesting_device_id: "FIRST",
      },
    ]);
  });

  it("is taken back when the key comes from its maker", () => {
    const other = join(OTHER, "OTHER");
    const session = other.in((calls) =>
      calls.shareRoomKey(ROOM, { members: [], strategy: "cross-signed", sharedHistory: false }),
    );
    ask(first, session.sessionId);
    other.in((calls) =>
      calls.shareRoomKey(ROOM, { members: [USER], strategy: "cross-signed", sharedHistory: false }),
    );
    server.settle();
    other.in((calls) =>
      calls.shareRoomKey(ROOM, { members: [USER], strategy: "cross-signed", sharedHistory: false }),
    );
    server.settle();
    server.deliver();
    server.settle();
    expect(has(first, session.sessionId)).toBe(true);
    expect(sent("m.room_key_request").map(({ action }) => action)).toEqual([
      "request",
      "request_cancellation",
    ]);
    server.deliver();
    expect(second.store.list("keyAnswer", "")).toEqual([]);
  });

  it("is given up after two weeks, and for newer ones: a hundred stand at a time", () => {
    for (let i = 0; i < 101; i += 1) {
      first.nowMs += 1;
      first.in((calls) => calls.requestRoomKey({ roomId: ROOM, sessionId: `s${i}` }));
    }
    expect(first.store.list("keyRequest", "")).toHaveLength(100);
    expect(first.store.get("keyRequest", "", JSON.stringify([ROOM, "s0"]))).toBeNull();
    first.nowMs += 14 * 24 * HOUR_MS;
    server.settle();
    expect(first.store.list("keyRequest", "")).toEqual([]);
  });
});

describe("a request of another device", () => {
  /** A session that the second device has, and that the first asks for. */
  const session = (): string =>
    second.in((calls) =>
      calls.shareRoomKey(ROOM, { members: [], strategy: "cross-signed", sharedHistory: false }),
    ).sessionId;
  const request = (sessionId: string, more: JsonObject = {}, sender = USER): JsonObject => ({
    type: "m.room_key_request",
    sender,
    content: {
      action: "request",
      body: { algorithm: "m.megolm.v1.aes-sha2", room_id: ROOM, session_id: sessionId },
      request_id: "r",
      requesting_device_id: "FIRST",
      ...more,
    },
  });
  /** To whom something left. */
  const answered = (event: JsonObject): readonly string[] => {
    const before = server.sent.length;
    receive(second, event);
    server.settle();
    return server.sent
      .slice(before)
      .map(({ event: { type }, to }) => `${String(type)} ${to.config.deviceId}`);
  };

  it("is answered to that device, which must be verified", () => {
    expect(answered(request(session()))).toEqual(["m.room.encrypted FIRST"]);
  });

  it("that has no such session is told so", () => {
    expect(answered(request("nothing"))).toEqual(["m.room_key.withheld FIRST"]);
    expect(sent("m.room_key.withheld")).toMatchObject([{ code: "m.unavailable", session_id: "nothing" }]);
  });

  it.each<[string, (sessionId: string) => JsonObject]>([
    ["another user", (id) => request(id, {}, OTHER)],
    ["a device that nobody knows", (id) => request(id, { requesting_device_id: "NOBODY" })],
    ["ourselves", (id) => request(id, { requesting_device_id: "SECOND" })],
    ["another algorithm", (id) => request(id, { body: { algorithm: "x", room_id: ROOM, session_id: id } })],
    ["no session at all", (id) => request(id, { body: null })],
    ["a request without a name", (id) => request(id, { request_id: 7 })],
    ["a name beyond all bounds", (id) => request(id, { request_id: "r".repeat(256) })],
    ["something else to be done", (id) => request(id, { action: "give" })],
  ])("is not answered for %s", (_name, make) => {
    join(OTHER, "OTHER");
    expect(answered(make(session()))).toEqual([]);
    expect(second.store.list("keyAnswer", "")).toEqual([]);
  });

  it("is answered to the keys that are pinned for the device, whoever says to be it (CVE-2021-40823)", () => {
    const id = session();
    const person = server.people.get(USER);
    if (person === undefined) throw new Error("nobody is there");
    // The server shows another device under the first one's name: its keys are not taken, and the answer is for the first one alone.
    makeDevice(person, "FIRST");
    second.in((calls) => calls.receiveDeviceLists({ changed: [USER], left: [] }));
    server.settle();
    expect(answered(request(id))).toEqual(["m.room.encrypted FIRST"]);
    const [last] = sent("m.room.encrypted").slice(-1);
    const { curve25519 } = first.in((calls) => calls.setUp());
    expect(Object.keys((last?.["ciphertext"] ?? {}) as JsonObject)).toEqual([curve25519]); // an Olm message, by its making
  });

  it("waits for its device to be verified, and is refused when that does not happen", () => {
    join(USER, "PLAIN", { crossSigned: false });
    expect(answered(request(session(), { requesting_device_id: "PLAIN" }))).toEqual([]);
    second.nowMs += 10 * 60_000;
    server.settle();
    expect(sent("m.room_key.withheld")).toMatchObject([{ code: "m.unauthorised" }]);
    expect(second.store.list("keyAnswer", "")).toEqual([]);
  });

  it("is forgotten when it is taken back", () => {
    join(USER, "PLAIN", { crossSigned: false });
    receive(second, request("s", { requesting_device_id: "PLAIN" }));
    expect(second.store.list("keyAnswer", "")).toHaveLength(1);
    receive(second, request("s", { requesting_device_id: "PLAIN", action: "request_cancellation" }));
    expect(second.store.list("keyAnswer", "")).toEqual([]);
  });

  it("fills no store, and does not hold the machine: a few are answered at a time", () => {
    for (let i = 0; i < 300; i += 1) receive(second, request(`s${i}`, { request_id: `r${i}` }));
    expect(second.store.list("keyAnswer", "")).toHaveLength(200);
    second.in((calls) => calls.outgoingRequests());
    expect(second.store.list("keyAnswer", "")).toHaveLength(180);
  });

  it("is not listened to where that is not configured, which is the default", () => {
    const third = join(USER, "THIRD", {}, { keyForwarding: { asks: true, answers: false } });
    receive(third, request("s"));
    expect(third.store.list("keyAnswer", "")).toEqual([]);
    const quiet = join(USER, "FOURTH");
    const plain = server.join(makeOurs({ userId: USER, deviceId: "FIFTH" }));
    receive(plain, request("s"));
    expect(plain.store.list("keyAnswer", "")).toEqual([]);
    receive(quiet, request("s"));
    expect(quiet.store.list("keyAnswer", "")).toHaveLength(1);
  });
});
