// Our own keys: what is uploaded, when, and what happens when the server has its own ideas.
import { describe, expect, it } from "vitest";
import { decodeBase64 } from "#crypto/base64.ts";
import type { Answer, Request } from "#crypto/machine/requests.ts";
import { OlmAccount } from "#crypto/olm/account.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import { type JsonObject, objectMember, requireObject } from "#crypto/shape.ts";
import { verifyJson } from "#crypto/signed-json.ts";
import { makeOurs, type Ours } from "./support/world.ts";

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;

const upload = (ours: Ours): Request | undefined => ours.requests("keys-upload")[0];
const keysOf = (request: Request | undefined, name: string): JsonObject =>
  request?.body?.[name] === undefined ? {} : objectMember(request.body, name, "upload");
const answer = (ours: Ours, value: Answer): void => {
  const request = upload(ours);
  if (request === undefined) throw new Error("no upload under way");
  ours.in((calls) => calls.answer(request.id, value));
};
const taken = (ours: Ours, count = 50): void =>
  answer(ours, { ok: true, body: { one_time_key_counts: { signed_curve25519: count } } });
const synced = (
  ours: Ours,
  oneTimeKeys: unknown,
  unusedFallbackTypes: unknown = null,
  initial = false,
): void => ours.in((calls) => calls.receiveKeyCounts({ oneTimeKeys, unusedFallbackTypes, initial }));
const idsOf = (request: Request | undefined): string[] => Object.keys(keysOf(request, "one_time_keys"));
const ready = (): Ours => {
  const ours = makeOurs();
  taken(ours);
  return ours;
};

describe("the first upload", () => {
  it("has device keys, 50 one-time keys and a fallback key, each signed by the device", () => {
    const ours = makeOurs();
    const request = upload(ours);
    const identity = ours.in((calls) => calls.setUp());
    const key = nodeProvider.importEd25519Public(decodeBase64(identity.ed25519));
    const device = keysOf(request, "device_keys");
    expect(device).toMatchObject({
      user_id: "@ours:example.org",
      device_id: "OURS",
      algorithms: ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
      keys: { "ed25519:OURS": identity.ed25519, "curve25519:OURS": identity.curve25519 },
    });
    const oneTime = Object.values(keysOf(request, "one_time_keys"));
    const fallback = Object.values(keysOf(request, "fallback_keys"));
    expect([oneTime.length, fallback.length]).toEqual([50, 1]);
    expect(fallback[0]).toMatchObject({ fallback: true });
    for (const signed of [device, ...oneTime, ...fallback]) {
      verifyJson(requireObject(signed, "key"), "@ours:example.org", "ed25519:OURS", key);
    }
  });

  it("is the same set until it is answered, through failures and a restart", () => {
    const ours = makeOurs();
    const first = upload(ours);
    answer(ours, { ok: false, status: null, body: null });
    answer(ours, { ok: false, status: 503, body: "<html>" });
    synced(ours, { signed_curve25519: 0 }, []);
    expect(upload(makeOurs({}, ours.store))).toEqual(first);
    taken(ours);
    expect(upload(ours)).toBeUndefined();
  });

  it("is stored with its private keys before the caller can see it", () => {
    const ours = makeOurs();
    const request = upload(ours);
    const row = ours.store.get("account", "", "");
    const stored = row?.account.oneTimeKeys ?? [];
    expect(stored).toHaveLength(50);
    expect(idsOf(request)).toHaveLength(50);
    expect(ours.store.get("request", "", request?.id ?? "")?.request).toEqual(request);
  });

  it("is refused on a store of another device", () => {
    const ours = makeOurs();
    expect(() => makeOurs({ deviceId: "ANOTHER" }, ours.store)).toThrow(
      expect.objectContaining({ code: "OTHER_DEVICE" }),
    );
  });
});

describe("topping up", () => {
  it.each([
    ["an explicit count", { signed_curve25519: 20 }, 30],
    ["an empty object of counts", {}, 50],
    ["no counts at all, after the first sync", null, 50],
    ["a hostile count", { signed_curve25519: -4 }, 50],
    ["hostile names", JSON.parse('{"__proto__":{"signed_curve25519":50}}'), 50],
  ])("follows %s", (_name, counts, expected) => {
    const ours = ready();
    synced(ours, counts);
    expect(idsOf(upload(ours))).toHaveLength(expected);
  });

  it("waits where the first sync has no counts, as Dendrite's", () => {
    const ours = ready();
    synced(ours, null, null, true);
    expect(upload(ours)).toBeUndefined();
  });

  it("waits for half where a fallback key bridges the time, and keeps full where there is none", () => {
    const [with_, without] = [ready(), ready()];
    synced(with_, { signed_curve25519: 49 }, ["signed_curve25519"]);
    synced(without, { signed_curve25519: 49 }, []);
    expect(idsOf(upload(with_))).toHaveLength(0);
    expect(idsOf(upload(without))).toHaveLength(1);
  });

  it("never gives an ID twice", () => {
    const ours = makeOurs();
    const seen = new Set<string>();
    for (let round = 0; round < 5; round += 1) {
      const ids = idsOf(upload(ours));
      expect(ids.filter((id) => seen.has(id))).toEqual([]);
      for (const id of ids) seen.add(id);
      taken(ours);
      synced(ours, {});
    }
    expect(seen.size).toBe(250);
  });

  it("learns of a server that leaves out counts that did not change", () => {
    const ours = ready();
    synced(ours, null);
    taken(ours, 100);
    synced(ours, null);
    expect(upload(ours)).toBeUndefined();
    synced(ours, { signed_curve25519: 0 });
    expect(idsOf(upload(ours))).toHaveLength(50);
  });

  it("writes nothing when a sync says what was known", () => {
    const ours = ready();
    const before = ours.store.get("account", "", "");
    synced(ours, { signed_curve25519: 50 });
    expect(ours.store.get("account", "", "")).toBe(before);
  });
});

describe("a server that holds other keys of ours", () => {
  const SYNAPSE = {
    errcode: "M_UNKNOWN",
    error: "One time key signed_curve25519:AAAAAAAAAAE already exists. Old key: {...}",
  };

  it.each([
    ["MSC4420's code", { errcode: "M_DUPLICATE_ONE_TIME_KEY", error: "x" }, true],
    ["Synapse's text", SYNAPSE, true],
    ["Dendrite's body", { code: 400 }, false],
    ["no body", null, false],
  ])("is an alarm, and gets keys under IDs far ahead: %s", (_name, body, certain) => {
    const ours = makeOurs();
    const refused = upload(ours);
    answer(ours, { ok: false, status: 400, body });
    expect(ours.notices).toEqual([expect.objectContaining({ kind: "one-time-key-collision", certain })]);
    const next = upload(ours);
    expect(idsOf(next).filter((id) => idsOf(refused).includes(id))).toEqual([]);
    expect(idsOf(next)).toHaveLength(50);
    for (const id of idsOf(next)) {
      const counter = Buffer.from(id.slice("signed_curve25519:".length), "base64").readBigUInt64BE();
      expect(counter).toBeGreaterThan(1_000_000n);
    }
    expect(keysOf(next, "device_keys")).toEqual(keysOf(refused, "device_keys"));
    expect(Object.keys(keysOf(next, "fallback_keys"))).not.toEqual(
      Object.keys(keysOf(refused, "fallback_keys")),
    );
  });

  it("can still give out the refused keys: messages under them are read", () => {
    const ours = makeOurs();
    const refused = Object.values(keysOf(upload(ours), "one_time_keys"))[0];
    answer(ours, { ok: false, status: 400, body: SYNAPSE });
    const them = OlmAccount.create(nodeProvider);
    const mine = ours.in((calls) => calls.setUp());
    const key = requireObject(refused, "key")["key"];
    const message = them.createOutboundSession(mine.curve25519, String(key)).encrypt("hello");
    const row = ours.store.get("account", "", "");
    if (row === null) throw new Error("no account");
    const account = new OlmAccount(nodeProvider, row.account);
    expect(
      Buffer.from(account.createInboundSession(them.curve25519, message.body).plaintext).toString(),
    ).toBe("hello");
  });

  it("that refuses again and again is left alone for an hour", () => {
    const ours = makeOurs();
    for (let i = 0; i < 3; i += 1) answer(ours, { ok: false, status: 400, body: {} });
    expect(ours.notices.at(-1)).toMatchObject({
      kind: "keys-upload-refused",
      retryAtMs: ours.nowMs + HOUR_MS,
    });
    expect(upload(ours)).toBeUndefined();
    ours.nowMs += HOUR_MS;
    expect(upload(ours)).toBeDefined();
  });

  it("is noticed by its count, once", () => {
    const ours = ready();
    synced(ours, { signed_curve25519: 51 });
    synced(ours, { signed_curve25519: 51 });
    expect(ours.notices).toEqual([{ kind: "one-time-keys-unknown", onServer: 51, held: 50 }]);
  });
});

describe("the fallback key", () => {
  const fallbackId = (ours: Ours): string | undefined =>
    Object.keys(keysOf(upload(ours), "fallback_keys"))[0];

  it("is rotated when it was used, once per use", () => {
    const ours = ready();
    synced(ours, { signed_curve25519: 50 }, ["signed_curve25519"]);
    expect(fallbackId(ours)).toBeUndefined();
    synced(ours, { signed_curve25519: 50 }, []);
    expect(fallbackId(ours)).toBeDefined();
    expect(idsOf(upload(ours))).toEqual([]);
    synced(ours, { signed_curve25519: 50 }, []);
    taken(ours);
    expect(fallbackId(ours)).toBeUndefined();
  });

  it("is rotated weekly", () => {
    const ours = ready();
    ours.nowMs += WEEK_MS - 1;
    expect(fallbackId(ours)).toBeUndefined();
    ours.nowMs += 1;
    expect(fallbackId(ours)).toBeDefined();
  });

  it("is rotated when the clock was put back", () => {
    const ours = ready();
    ours.nowMs -= 1;
    expect(fallbackId(ours)).toBeDefined();
  });

  it("is not rotated for ever on Dendrite, which drops it and lists none", () => {
    const ours = ready();
    let uploads = 0;
    for (let sync = 0; sync < 20; sync += 1) {
      synced(ours, { signed_curve25519: 50 }, []);
      if (upload(ours) !== undefined) {
        uploads += 1;
        taken(ours);
      }
    }
    expect(uploads).toBe(1);
  });
});
