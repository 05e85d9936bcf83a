// One OlmMachine of matrix-sdk-crypto 0.19.1 (through @matrix-org/matrix-sdk-crypto-wasm 18.9.0), for interactive verification: the test is the
// homeserver and the other device. Messages come out as {type, content}; what the machine wants sent to keys is answered with {}.
import {
  DeviceId,
  DeviceLists,
  initAsync,
  OlmMachine,
  Qr,
  RequestType,
  Sas,
  UserId,
  type VerificationMethod,
  type VerificationRequest,
} from "@matrix-org/matrix-sdk-crypto-wasm";
import { serve, toText } from "./serve.ts";

await initAsync();

type Message = { readonly type: string; readonly content: unknown };
type Outgoing = { readonly id: string; readonly body: string; readonly event_type: string } | undefined;
type ToDeviceBody = { readonly messages: Record<string, Record<string, unknown>> };

let started: OlmMachine | null = null;
const machine = (): OlmMachine => {
  if (started === null) throw new Error("no machine was started");
  return started;
};

const request = (user: string, flow: string): VerificationRequest => {
  const found = machine().getVerificationRequest(new UserId(user), flow);
  if (found === undefined) throw new Error(`no verification request ${flow}`);
  return found;
};

const sas = (user: string, flow: string): Sas => {
  const found = machine().getVerification(new UserId(user), flow);
  if (!(found instanceof Sas)) throw new Error(`no SAS ${flow}`);
  return found;
};

/** Marks a message as sent, and gives its content to the one device that it is for. */
const sent = async (outgoing: Outgoing): Promise<Message[]> => {
  if (outgoing === undefined) return [];
  await machine().markRequestAsSent(outgoing.id, RequestType.ToDevice, "{}");
  const { messages } = JSON.parse(outgoing.body) as ToDeviceBody;
  const contents = Object.values(messages).flatMap((devices) => Object.values(devices));
  return contents.map((content) => ({ type: outgoing.event_type, content }));
};

// Every verification here runs over to-device messages, so these are ToDeviceRequests, which have what Outgoing names.
const asOutgoing = (value: unknown): Outgoing => value as Outgoing;

serve({
  start: async (user: string, device: string) => {
    started = await OlmMachine.initialize(new UserId(user), new DeviceId(device));
    const upload = (await machine().outgoingRequests()).find((each) => each.type === RequestType.KeysUpload);
    return { deviceKeys: (JSON.parse(upload?.body ?? "{}") as { device_keys: unknown }).device_keys };
  },
  /** Makes its cross-signing keys; gives the body of the upload. */
  bootstrap: async () => {
    const made = await machine().bootstrapCrossSigning(true);
    return JSON.parse(made.uploadSigningKeysRequest.body) as unknown;
  },
  keysQuery: async (user: string, response: unknown) => {
    const query = machine().queryKeysForUsers([new UserId(user)]);
    await machine().markRequestAsSent(query.id, RequestType.KeysQuery, JSON.stringify(response));
  },
  device: async (user: string, device: string) => {
    const found = await machine().getDevice(new UserId(user), new DeviceId(device));
    return { known: found !== undefined, verified: found?.isVerified() ?? false };
  },
  receive: async (events: unknown[]) => {
    await machine().receiveSyncChanges(JSON.stringify(events), new DeviceLists(), new Map());
  },
  /** The to-device messages that it wants sent by itself. */
  take: async (): Promise<Message[]> => {
    const requests = await machine().outgoingRequests();
    const messages = requests.filter((each) => each.type === RequestType.ToDevice);
    return (await Promise.all(messages.map((each) => sent(asOutgoing(each))))).flat();
  },
  accept: (user: string, flow: string, methods: VerificationMethod[]) =>
    sent(asOutgoing(request(user, flow).acceptWithMethods(methods))),
  requestVerification: async (user: string, device: string, methods: VerificationMethod[]) => {
    const found = await machine().getDevice(new UserId(user), new DeviceId(device));
    if (found === undefined) throw new Error(`no device ${device}`);
    const [made, outgoing] = found.requestVerification(methods);
    return { flow: made.flowId, messages: await sent(asOutgoing(outgoing)) };
  },
  startSas: async (user: string, flow: string) =>
    sent(asOutgoing((await request(user, flow).startSas())?.[1])),
  acceptSas: (user: string, flow: string) => sent(asOutgoing(sas(user, flow).accept())),
  shown: (user: string, flow: string) => {
    const each = sas(user, flow);
    return {
      numbers: [...(each.emojiIndex() ?? [])],
      emoji: (each.emoji() ?? []).map(({ symbol, description }) => ({ emoji: symbol, name: description })),
      decimals: [...(each.decimals() ?? [])],
    };
  },
  confirm: async (user: string, flow: string) =>
    (await Promise.all((await sas(user, flow).confirm()).map((each) => sent(asOutgoing(each))))).flat(),
  state: (user: string, flow: string) => {
    const each = sas(user, flow);
    return { done: each.isDone(), cancelled: each.cancelInfo()?.cancelCode() ?? null };
  },
  qr: async (user: string, flow: string) => {
    const made = await request(user, flow).generateQrCode();
    if (!(made instanceof Qr)) throw new Error("no QR code");
    return toText(Uint8Array.from(made.toBytes()));
  },
});
