// Machines of ours as clients of the loopback homeserver: requests over real HTTP, what comes with /sync given in. Tests may alter answers.
import { passwordAuth } from "#crypto/machine/cross-signing/authentication.ts";
import type { ToDeviceResult } from "#crypto/machine/olm/receive.ts";
import type { Answer, Request } from "#crypto/machine/requests.ts";
import { isJsonObject, type JsonObject, member } from "#crypto/shape.ts";
import type { Homeserver, TestUser } from "#test/homeserver/homeserver.ts";
import { call } from "#test/peers/http.ts";
import { makeOurs, type Ours } from "./world.ts";

export interface Client {
  readonly ours: Ours;
  readonly user: TestUser;
  /** What a server's answer becomes before the machine gets it. */
  alter: (request: Request, answer: Answer) => Answer;
  /** Answers challenges with the password. */
  knowsPassword: boolean;
  /** Sends requests until none is left that gets an answer; what was sent. */
  pump(): Promise<readonly Request[]>;
  /** One /sync, given to the machine as one transaction. */
  sync(): Promise<Synced>;
  http(method: string, path: string, body?: JsonObject): Promise<Answer>;
}

export interface Synced {
  readonly toDevice: readonly ToDeviceResult[];
  /** Timeline events by room. */
  readonly timeline: readonly { readonly roomId: string; readonly event: JsonObject }[];
}

const ROUNDS_MAX = 30;

export const password = (user: TestUser): { userId: string; password: string } => ({
  userId: user.userId,
  password: user.password,
});

/** An object deep inside, or an empty one. */
export const inside = (value: unknown, ...path: readonly string[]): JsonObject => {
  let here: unknown = value;
  for (const step of path) here = isJsonObject(here) ? member(here, step) : undefined;
  return isJsonObject(here) ? here : {};
};
const listIn = (value: unknown, ...path: readonly string[]): unknown[] => {
  const found = inside(value, ...path)["events"];
  return Array.isArray(found) ? found : [];
};

export const makeClient = (
  server: Pick<Homeserver, "url">,
  user: TestUser,
  ours: Ours = oursFor(user),
): Client => {
  let since = "";
  // The server's clock is the real one, and so are the peers'.
  ours.nowMs = Date.now();
  const http = async (method: string, path: string, body?: JsonObject): Promise<Answer> => {
    // What we send is JSON by its types.
    const options = body === undefined ? {} : { body: body as never };
    const { status, json } = await call(server.url, method, path, { token: user.accessToken, ...options });
    return status === 200 ? { ok: true, body: json } : { ok: false, status, body: json };
  };
  const send = async (request: Request): Promise<Answer> => {
    const auth = request.challenge && passwordAuth(request.challenge, password(user));
    const body = auth ? { ...request.body, auth } : request.body;
    return client.alter(request, await http(request.method, request.path, body ?? undefined));
  };
  const client: Client = {
    ours,
    user,
    alter: (_, answer) => answer,
    knowsPassword: true,
    http,
    pump: async () => {
      const sent: Request[] = [];
      for (let round = 0; round < ROUNDS_MAX; round += 1) {
        const requests = ours
          .in((calls) => calls.outgoingRequests())
          .filter(({ challenge }) => challenge === undefined || client.knowsPassword);
        let answered = 0;
        for (const request of requests) {
          const answer = await send(request);
          // A request may have been taken back by the answer to one before it.
          if (!ours.in((calls) => calls.outgoingRequests()).some(({ id }) => id === request.id)) continue;
          ours.in((calls) => calls.answer(request.id, answer));
          sent.push(request);
          const left = ours.in((calls) => calls.outgoingRequests());
          if (!left.some(({ id }) => id === request.id)) answered += 1;
        }
        if (answered === 0) break;
      }
      return sent;
    },
    sync: async () => {
      const query = since === "" ? "" : `&since=${encodeURIComponent(since)}`;
      const answer = await http("GET", `/_matrix/client/v3/sync?timeout=0${query}`);
      if (!answer.ok) throw new Error(`sync: ${answer.status}`);
      const { body } = answer;
      const initial = since === "";
      since = String(inside(body)["next_batch"]);
      const toDevice = ours.in((calls) => {
        const lists = inside(body, "device_lists");
        calls.receiveDeviceLists({ changed: lists["changed"], left: lists["left"] });
        calls.receiveKeyCounts({
          oneTimeKeys: inside(body)["device_one_time_keys_count"],
          unusedFallbackTypes: inside(body)["device_unused_fallback_key_types"],
          initial,
        });
        return calls.receiveToDevice(listIn(body, "to_device"));
      });
      const rooms = Object.entries(inside(body, "rooms", "join"));
      const timeline = rooms.flatMap(([roomId, room]) =>
        listIn(room, "timeline").flatMap((event) => (isJsonObject(event) ? [{ roomId, event }] : [])),
      );
      for (const { roomId, event } of timeline) {
        ours.in((calls) => calls.receiveRoomVerification(roomId, event));
      }
      return { toDevice, timeline };
    },
  };
  return client;
};

const oursFor = ({ userId, deviceId }: TestUser): Ours => makeOurs({ userId, deviceId });

/** Another login of the same user. */
export const secondDevice = async (server: Pick<Homeserver, "url">, user: TestUser): Promise<TestUser> => {
  const body = {
    type: "m.login.password",
    identifier: { type: "m.id.user", user: user.userId },
    password: user.password,
  };
  const { json } = await call(server.url, "POST", "/_matrix/client/v3/login", { body });
  const { access_token, device_id } = inside(json);
  return { ...user, accessToken: String(access_token), deviceId: String(device_id) };
};
