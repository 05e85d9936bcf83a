// Whole verifications with matrix-sdk-crypto over to-device messages, our half made of sas.ts, qr.ts and signed-json.ts only. They show that
// infos, commitment, key lists and the places of the keys are those of the peers, and not only consistent with themselves.
import { afterEach, describe, expect, it } from "vitest";
import { encodeBase64 } from "#crypto/base64.ts";
import type { CryptoProvider } from "#crypto/provider.ts";
import { parseQrVerification } from "#crypto/qr.ts";
import {
  checkSasCommitment,
  createSas,
  SAS_MAC_METHODS,
  type SasContext,
  type SasMacMethod,
  type SasSecret,
  sasCommitment,
  sasEmoji,
  sasMacs,
  verifySasMacs,
} from "#crypto/sas.ts";
import { type JsonObject, objectMember, requireObject, stringMember } from "#crypto/shape.ts";
import { type Peer, startPeer } from "#test/peers/crypto/client.ts";
import { type Device, makeDevice, makeIdentity } from "./support/device.ts";
import { fromB64, providers } from "./support/formats.ts";

const THEIRS = { userId: "@alice:example.org", deviceId: "THEIRS" };
const SAS_METHOD = 0;
const QR_METHODS = [0, 1, 2, 3];
const TRANSACTION = "transaction";

type Message = { readonly type: string; readonly content: JsonObject };
type Shown = { readonly numbers: number[]; readonly emoji: unknown[]; readonly decimals: number[] };

let peer: Peer | null = null;
afterEach(() => peer?.close());

/** Starts their machine, which then knows our device. */
const meet = async (
  ours: Device,
  theirUser = THEIRS.userId,
): Promise<{ peer: Peer; deviceKeys: JsonObject }> => {
  peer = startPeer("rust-machine");
  const { deviceKeys } = await peer.call<{ deviceKeys: JsonObject }>("start", theirUser, THEIRS.deviceId);
  await query(peer, { [ours.userId]: { [ours.deviceId]: ours.deviceKeys } });
  expect(await peer.call("device", ours.userId, ours.deviceId)).toEqual({ known: true, verified: false });
  return { peer, deviceKeys };
};

const query = (to: Peer, device_keys: JsonObject, identities: JsonObject = {}): Promise<void> =>
  to.call("keysQuery", Object.keys(device_keys)[0], { device_keys, failures: {}, ...identities });

const send = (to: Peer, ours: Device, type: string, content: JsonObject): Promise<void> =>
  to.call("receive", [
    {
      type: `m.key.verification.${type}`,
      sender: ours.userId,
      content: { transaction_id: TRANSACTION, ...content },
    },
  ]);

/** The content of the one message of that type. */
const only = (messages: readonly Message[], type: string): JsonObject => {
  expect(messages.map((message) => message.type)).toEqual([`m.key.verification.${type}`]);
  return requireObject(messages[0]?.content, type);
};

const startContent = (ours: Device, method: SasMacMethod): JsonObject => ({
  from_device: ours.deviceId,
  transaction_id: TRANSACTION,
  method: "m.sas.v1",
  key_agreement_protocols: ["curve25519-hkdf-sha256"],
  hashes: ["sha256"],
  message_authentication_codes: [method],
  short_authentication_string: ["decimal", "emoji"],
});

/** We request and start, they accept. Gives the secret, once both keys are out. */
const weStart = async (provider: CryptoProvider, to: Peer, ours: Device, method: SasMacMethod) => {
  const requested = { from_device: ours.deviceId, methods: ["m.sas.v1"], timestamp: Date.now() };
  await send(to, ours, "request", requested);
  only(await to.call("accept", ours.userId, TRANSACTION, [SAS_METHOD]), "ready");
  const start = startContent(ours, method);
  await send(to, ours, "start", start);
  const accept = only(await to.call("acceptSas", ours.userId, TRANSACTION), "accept");
  expect(accept["message_authentication_code"]).toBe(method);
  const sas = createSas(provider);
  await send(to, ours, "key", { key: sas.publicKey });
  const theirKey = stringMember(only(await to.call("take"), "key"), "key", "key");
  expect(checkSasCommitment(provider, stringMember(accept, "commitment", "accept"), theirKey, start)).toBe(
    true,
  );
  const context: SasContext = {
    starter: { ...ours, publicKey: sas.publicKey },
    accepter: { ...THEIRS, publicKey: theirKey },
    transactionId: TRANSACTION,
  };
  return { secret: sas.agree(theirKey), context };
};

/** They request and start, we accept with a commitment that they check. */
const theyStart = async (provider: CryptoProvider, to: Peer, ours: Device) => {
  const { flow, messages } = await to.call<{ flow: string; messages: Message[] }>(
    "requestVerification",
    ours.userId,
    ours.deviceId,
    [SAS_METHOD],
  );
  only(messages, "request");
  const reply = (type: string, content: JsonObject) =>
    send(to, ours, type, { ...content, transaction_id: flow });
  await reply("ready", { from_device: ours.deviceId, methods: ["m.sas.v1"] });
  const start = only(await to.call("startSas", ours.userId, flow), "start");
  const sas = createSas(provider);
  await reply("accept", {
    method: "m.sas.v1",
    key_agreement_protocol: "curve25519-hkdf-sha256",
    hash: "sha256",
    message_authentication_code: "hkdf-hmac-sha256.v2",
    short_authentication_string: ["decimal", "emoji"],
    commitment: sasCommitment(provider, sas.publicKey, start),
  });
  const theirKey = stringMember(only(await to.call("take"), "key"), "key", "key");
  await reply("key", { key: sas.publicKey });
  const context: SasContext = {
    starter: { ...THEIRS, publicKey: theirKey },
    accepter: { ...ours, publicKey: sas.publicKey },
    transactionId: flow,
  };
  return { secret: sas.agree(theirKey), context };
};

const expectSameStrings = async (to: Peer, ours: Device, secret: SasSecret, context: SasContext) => {
  const shown = await to.call<Shown>("shown", ours.userId, context.transactionId);
  expect(secret.emoji(context)).toEqual(shown.numbers);
  expect(sasEmoji(secret.emoji(context))).toEqual(shown.emoji);
  expect(secret.decimals(context)).toEqual(shown.decimals);
};

/** Both sides confirm; we check their MACs, they check ours. */
const confirm = async (
  provider: CryptoProvider,
  to: Peer,
  ours: Device,
  theirKeys: JsonObject,
  made: { secret: SasSecret; context: SasContext; method: SasMacMethod },
) => {
  const { secret, method } = made;
  const { transactionId } = made.context;
  const theirMac = only(await to.call("confirm", ours.userId, transactionId), "mac");
  const keyId = `ed25519:${THEIRS.deviceId}`;
  const known = stringMember(objectMember(theirKeys, "keys", "device"), keyId, "keys");
  const inbound = { sender: THEIRS, receiver: ours, transactionId };
  const lookUp = (id: string): string | null => (id === keyId ? known : null);
  expect(verifySasMacs(provider, secret, method, inbound, theirMac, lookUp).verified).toEqual([keyId]);
  const outbound = { sender: ours, receiver: THEIRS, transactionId };
  const mac = sasMacs(secret, method, outbound, new Map([[ours.keyId, ours.ed25519]]));
  await send(to, ours, "mac", { ...mac, transaction_id: transactionId });
  await send(to, ours, "done", { transaction_id: transactionId });
  expect(await to.call("state", ours.userId, transactionId)).toEqual({ done: true, cancelled: null });
  expect(await to.call("device", ours.userId, ours.deviceId)).toEqual({ known: true, verified: true });
};

describe.each(providers)("a verification with matrix-sdk-crypto ($name)", (provider) => {
  const ours = makeDevice(provider, "@bob:example.org", "OURS");

  it("by SAS succeeds where we start, and it says that our device is verified", async () => {
    const met = await meet(ours);
    const method = "hkdf-hmac-sha256.v2";
    const made = await weStart(provider, met.peer, ours, method);
    await expectSameStrings(met.peer, ours, made.secret, made.context);
    await confirm(provider, met.peer, ours, met.deviceKeys, { ...made, method });
  });

  it("by SAS succeeds where it starts, and takes our commitment", async () => {
    const met = await meet(ours);
    const made = await theyStart(provider, met.peer, ours);
    await expectSameStrings(met.peer, ours, made.secret, made.context);
    await confirm(provider, met.peer, ours, met.deviceKeys, { ...made, method: "hkdf-hmac-sha256.v2" });
  });

  it("by SAS succeeds with the old MAC method, broken base64 and all", async () => {
    const met = await meet(ours);
    const method = SAS_MAC_METHODS[1] ?? "hkdf-hmac-sha256";
    const made = await weStart(provider, met.peer, ours, method);
    await confirm(provider, met.peer, ours, met.deviceKeys, { ...made, method });
  });

  it("by SAS is cancelled by it when our MAC is of another key", async () => {
    const met = await meet(ours);
    const { secret, context } = await weStart(provider, met.peer, ours, "hkdf-hmac-sha256.v2");
    only(await met.peer.call("confirm", ours.userId, TRANSACTION), "mac");
    const outbound = { sender: ours, receiver: THEIRS, transactionId: context.transactionId };
    const wrong = new Map([[ours.keyId, encodeBase64(provider.generateEd25519().publicKey)]]);
    await send(met.peer, ours, "mac", { ...sasMacs(secret, "hkdf-hmac-sha256.v2", outbound, wrong) });
    expect(await met.peer.call("state", ours.userId, TRANSACTION)).toEqual({
      done: false,
      cancelled: "m.mismatched_sas",
    });
  });
});

describe.each(providers)("a QR code of matrix-sdk-crypto ($name)", (provider) => {
  const methods = ["m.sas.v1", "m.qr_code.scan.v1", "m.qr_code.show.v1", "m.reciprocate.v1"];
  type Upload = {
    readonly master_key: JsonObject;
    readonly self_signing_key: JsonObject;
    readonly user_signing_key: JsonObject;
  };
  const firstKey = (key: JsonObject): unknown => Object.values(objectMember(key, "keys", "key"))[0];

  const showCode = async (to: Peer, ours: Device) => {
    await send(to, ours, "request", { from_device: ours.deviceId, methods, timestamp: Date.now() });
    only(await to.call("accept", ours.userId, TRANSACTION, QR_METHODS), "ready");
    return parseQrVerification(fromB64(await to.call<string>("qr", ours.userId, TRANSACTION)));
  };

  it("for another user holds its master key first, then ours", async () => {
    const ours = makeDevice(provider, "@bob:example.org", "OURS");
    const identity = makeIdentity(provider, ours.userId);
    const met = await meet(ours);
    const upload = await met.peer.call<Upload>("bootstrap");
    await query(
      met.peer,
      { [ours.userId]: { [ours.deviceId]: ours.deviceKeys } },
      {
        master_keys: { [ours.userId]: identity.masterKey },
        self_signing_keys: { [ours.userId]: identity.selfSigningKey },
      },
    );
    const code = await showCode(met.peer, ours);
    if (code.mode !== "other_user") throw new Error(`expected other_user, got ${code.mode}`);
    expect(code.flowId).toBe(TRANSACTION);
    expect(encodeBase64(code.ownMasterKey)).toBe(firstKey(upload.master_key));
    expect(code.theirMasterKey).toEqual(identity.master.publicKey);
  });

  it("for another device of its own holds the master key first, where it trusts it", async () => {
    const ours = makeDevice(provider, THEIRS.userId, "OURS");
    const met = await meet(ours);
    const upload = await met.peer.call<Upload>("bootstrap");
    const code = await showCode(met.peer, ours);
    if (code.mode !== "self_trusting") throw new Error(`expected self_trusting, got ${code.mode}`);
    expect(encodeBase64(code.masterKey)).toBe(firstKey(upload.master_key));
    expect(encodeBase64(code.otherDeviceKey)).toBe(ours.ed25519);
  });

  it("holds its own device's key first, where it does not trust the master key yet", async () => {
    const ours = makeDevice(provider, THEIRS.userId, "OURS");
    const identity = makeIdentity(provider, ours.userId);
    const met = await meet(ours);
    const devices = { [ours.deviceId]: ours.deviceKeys, [THEIRS.deviceId]: met.deviceKeys };
    await query(
      met.peer,
      { [ours.userId]: devices },
      {
        master_keys: { [ours.userId]: identity.masterKey },
        self_signing_keys: { [ours.userId]: identity.selfSigningKey },
        user_signing_keys: { [ours.userId]: identity.userSigningKey },
      },
    );
    const code = await showCode(met.peer, ours);
    if (code.mode !== "self_untrusting") throw new Error(`expected self_untrusting, got ${code.mode}`);
    expect(encodeBase64(code.ownDeviceKey)).toBe(
      objectMember(met.deviceKeys, "keys", "device")[`ed25519:${THEIRS.deviceId}`],
    );
    expect(code.masterKey).toEqual(identity.master.publicKey);
  });
});
