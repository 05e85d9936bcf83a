// Versions, logins, tokens, devices, profiles, account data, filters. Client-Server API, "Client authentication", "Client Config".
import { at, call, isObject, list, text } from "#test/peers/http.ts";
import { all, createRoom, logIn, outcome, type Row, row, sync, V3, verdict } from "./contract.ts";

const minorOf = (version: string): number => Number(/^v1\.(\d+)$/.exec(version)?.[1] ?? -1);

export const accountRows: readonly Row[] = [
  row("table, versions: the highest", { synapse: 15, dendrite: 2, conduit: 12 }, async ({ server }) => {
    const answer = await call(server().url, "GET", "/_matrix/client/versions");
    return Math.max(...list(answer.json, "versions").map((version) => minorOf(String(version))));
  }),
  all("offers password login", true, async ({ server }) => {
    const answer = await call(server().url, "GET", `${V3}/login`);
    return list(answer.json, "flows").some((flow) => text(flow, "type") === "m.login.password");
  }),
  all("refuses a wrong password", [403, "M_FORBIDDEN"], async ({ server, user }) => {
    const { userId } = await user();
    const body = {
      type: "m.login.password",
      identifier: { type: "m.id.user", user: userId },
      password: "wrong",
    };
    return outcome(call(server().url, "POST", `${V3}/login`, { body }));
  }),
  all("logs in with the device ID that was asked for", "MYDEVICE", async ({ server, user }) => {
    const { client } = await logIn(server(), await user(), { device_id: "MYDEVICE" });
    return text(await client.ok("GET", `${V3}/account/whoami`), "device_id");
  }),
  row(
    "table, login with refresh_token: a token, expires_in_ms, /refresh",
    { synapse: [true, true, 200], dendrite: [false, false, 404], conduit: [false, false, 404] },
    async ({ server, user }) => {
      const { json } = await logIn(server(), await user(), { refresh_token: true });
      const token = text(json, "refresh_token");
      const answer = await call(server().url, "POST", `${V3}/refresh`, {
        body: { refresh_token: token || "none" },
      });
      return [token !== "", typeof at(json, "expires_in_ms") === "number", answer.status];
    },
  ),
  row(
    "a used refresh token, and the token it replaced after the new one was used",
    { synapse: [200, 403, 200], dendrite: null, conduit: null },
    async ({ which, server, user }) => {
      if (which !== "synapse") return null;
      const { client, json } = await logIn(server(), await user(), { refresh_token: true });
      const refresh = () =>
        call(server().url, "POST", `${V3}/refresh`, { body: { refresh_token: text(json, "refresh_token") } });
      const fresh = await refresh();
      const token = text(fresh.json, "access_token");
      const used = await call(server().url, "GET", `${V3}/account/whoami`, { token });
      return [
        used.status,
        (await refresh()).status,
        (await client.call("GET", `${V3}/account/whoami`)).status,
      ];
    },
  ),
  row(
    "a refresh token used twice, since the first answer may be lost: what each gave, and the chain behind",
    {
      synapse: { again: 200, lost: [401, 401], used: 200, first: 403, next: 200, behind: [401, 401] },
      dendrite: null,
      conduit: null,
    },
    async ({ which, server, user }) => {
      if (which !== "synapse") return null;
      const { client, json } = await logIn(server(), await user(), { refresh_token: true });
      const refresh = (token: string) =>
        call(server().url, "POST", `${V3}/refresh`, { body: { refresh_token: token } });
      const whoami = async (token: string): Promise<number> =>
        (await call(server().url, "GET", `${V3}/account/whoami`, { token })).status;
      const first = text(json, "refresh_token");
      const lost = await refresh(first);
      const again = await refresh(first);
      const [lostToken, token] = [text(lost.json, "access_token"), text(again.json, "access_token")];
      return {
        again: again.status,
        lost: [await whoami(lostToken), (await refresh(text(lost.json, "refresh_token"))).status],
        used: await whoami(token),
        first: (await refresh(first)).status,
        next: (await refresh(text(again.json, "refresh_token"))).status,
        behind: [(await client.call("GET", `${V3}/account/whoami`)).status, (await refresh(first)).status],
      };
    },
  ),
  row(
    "table, re-login with the same device_id: the old token",
    { synapse: 200, dendrite: 401, conduit: 401 },
    async ({ server, user }) => {
      const { client } = await logIn(server(), await user(), { device_id: "SAME" });
      await logIn(server(), client, { device_id: "SAME" });
      return (await client.call("GET", `${V3}/account/whoami`)).status;
    },
  ),
  row(
    "table, unknown token: soft_logout",
    {
      synapse: [401, "M_UNKNOWN_TOKEN", false],
      dendrite: [401, "M_UNKNOWN_TOKEN", null],
      conduit: [401, "M_UNKNOWN_TOKEN", null],
    },
    async ({ server }) => {
      const answer = await call(server().url, "GET", `${V3}/account/whoami`, { token: "syt_unknown" });
      return [...verdict(answer), at(answer.json, "soft_logout")];
    },
  ),
  all("asks for a token where one is missing", [401, "M_MISSING_TOKEN"], ({ server }) =>
    outcome(call(server().url, "GET", `${V3}/account/whoami`)),
  ),
  all("logout makes the token unknown", [200, 401], async ({ user }) => {
    const client = await user();
    const answer = await client.call("POST", `${V3}/logout`, { body: {} });
    return [answer.status, (await client.call("GET", `${V3}/account/whoami`)).status];
  }),
  row(
    "table, logout during a long poll: the poll's status, at once",
    { synapse: [200, true], dendrite: [200, true], conduit: [200, false] },
    async ({ user }) => {
      const client = await user();
      const since = text(await sync(client), "next_batch");
      const begun = performance.now();
      const poll = client.call("GET", `${V3}/sync`, { query: { since, timeout: 2500 } });
      await new Promise((resolve) => setTimeout(resolve, 300));
      await client.call("POST", `${V3}/logout`, { body: {} });
      return [(await poll).status, performance.now() - begun < 2200];
    },
  ),
  row(
    "room versions on offer: the default, and 10 to 12",
    { synapse: ["12", 3], dendrite: ["10", 3], conduit: ["12", 3] },
    async ({ user }) => {
      const json = await (await user()).ok("GET", `${V3}/capabilities`);
      const available = at(json, "capabilities", "m.room_versions", "available");
      const known = isObject(available) ? ["10", "11", "12"].filter((version) => version in available) : [];
      return [at(json, "capabilities", "m.room_versions", "default"), known.length];
    },
  ),
  all("keeps account data, global and of rooms", [{ a: 1 }, { b: 2 }, 404], async ({ user }) => {
    const client = await user();
    const roomId = await createRoom(client);
    const global = `${V3}/user/${encodeURIComponent(client.userId)}/account_data/dev.petrel.test`;
    const local = `${V3}/user/${encodeURIComponent(client.userId)}/rooms/${encodeURIComponent(roomId)}/account_data/x.y`;
    await client.ok("PUT", global, { body: { a: 1 } });
    await client.ok("PUT", local, { body: { b: 2 } });
    const missing = await client.call("GET", `${global}.missing`);
    return [await client.ok("GET", global), await client.ok("GET", local), missing.status];
  }),
  all("brings account data in /sync", { a: 1 }, async ({ user }) => {
    const client = await user();
    const path = `${V3}/user/${encodeURIComponent(client.userId)}/account_data/dev.petrel.test`;
    await client.ok("PUT", path, { body: { a: 1 } });
    const events = list(await sync(client), "account_data", "events");
    return at(events.find((event) => text(event, "type") === "dev.petrel.test") ?? null, "content");
  }),
  all("keeps a display name", "Drone 7", async ({ user }) => {
    const client = await user();
    const path = `${V3}/profile/${encodeURIComponent(client.userId)}`;
    await client.ok("PUT", `${path}/displayname`, { body: { displayname: "Drone 7" } });
    return at(await client.ok("GET", path), "displayname");
  }),
  all("stores a filter and gives it back", ["m.room.message"], async ({ user }) => {
    const client = await user();
    const path = `${V3}/user/${encodeURIComponent(client.userId)}/filter`;
    const body = { room: { timeline: { types: ["m.room.message"] } } };
    const id = text(await client.ok("POST", path, { body }), "filter_id");
    return at(await client.ok("GET", `${path}/${id}`), "room", "timeline", "types");
  }),
  all("answers an endpoint it does not know", [404, "M_UNRECOGNIZED"], async ({ user }) =>
    outcome((await user()).call("GET", `${V3}/no_such_thing`)),
  ),
];
