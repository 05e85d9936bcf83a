// The operator, as any Matrix client would be: accepts invites, reads both rooms, sends messages. Plain HTTP, nothing of the agent's.
import { at, call, isObject, type Json, list, text } from "#test/peers/http.ts";

export interface Account {
  readonly url: string;
  readonly userId: string;
  readonly accessToken: string;
}

export interface OperatorView {
  /** The status message as it reads after its last edit. */
  readonly status: string;
  /** Messages of the people room, the status message left out. */
  readonly talk: readonly string[];
  readonly telemetryEvents: number;
  readonly readings: number;
  /** Replies of the device. */
  readonly replies: number;
}

export interface Operator {
  view(): OperatorView;
  say(body: string): Promise<void>;
  /** Ready to command: sits in the people room. */
  ready(): boolean;
  stop(): Promise<void>;
}

const CLIENT = "/_matrix/client/v3";
const TALK_LINES_MAX = 100;

interface State {
  status: string;
  statusId: string;
  talk: string[];
  telemetryEvents: number;
  readings: number;
  replies: number;
  peopleRoom: string;
}

const takeMessage = (state: State, own: string, event: Json): void => {
  const content = at(event, "content");
  const relation = text(content, "m.relates_to", "rel_type");
  const sender = text(event, "sender");
  const isReply = at(content, "m.relates_to", "m.in_reply_to") !== null;
  if (relation === "m.replace") {
    state.status = text(content, "m.new_content", "body");
    return;
  }
  if (sender !== own && !isReply && state.statusId === "") {
    state.statusId = text(event, "event_id");
    state.status = text(content, "body");
    return;
  }
  if (isReply && sender !== own) state.replies += 1;
  state.talk.push(...`${sender.split(":")[0]}: ${text(content, "body")}`.split("\n"));
  state.talk.splice(0, Math.max(0, state.talk.length - TALK_LINES_MAX));
};

const takeEvent = (state: State, own: string, roomId: string, event: Json): void => {
  const type = text(event, "type");
  if (type === "dev.petrel.telemetry") {
    state.telemetryEvents += 1;
    state.readings += list(event, "content", "readings").length;
  }
  if (type === "m.room.message") {
    state.peopleRoom = roomId;
    takeMessage(state, own, event);
  }
};

export const startOperator = (account: Account): Operator => {
  const { accessToken: token, url, userId } = account;
  const aborter = new AbortController();
  const state: State = {
    status: "",
    statusId: "",
    talk: [],
    telemetryEvents: 0,
    readings: 0,
    replies: 0,
    peopleRoom: "",
  };
  const join = (roomId: string): Promise<unknown> =>
    call(url, "POST", `${CLIENT}/join/${encodeURIComponent(roomId)}`, { token, body: {} });

  const syncOnce = async (since: string | null): Promise<string | null> => {
    const query = { timeout: since === null ? 0 : 20_000, ...(since === null ? {} : { since }) };
    const { json } = await call(url, "GET", `${CLIENT}/sync`, { token, query, signal: aborter.signal });
    const invites = at(json, "rooms", "invite");
    for (const roomId of isObject(invites) ? Object.keys(invites) : []) await join(roomId);
    const joined = at(json, "rooms", "join");
    for (const [roomId, room] of Object.entries(isObject(joined) ? joined : {}))
      for (const event of list(room, "timeline", "events")) takeEvent(state, userId, roomId, event);
    return text(json, "next_batch") || since;
  };

  const loop = async (): Promise<void> => {
    let since: string | null = null;
    while (!aborter.signal.aborted) since = await syncOnce(since).catch(() => since);
  };
  const running = loop();

  let sent = 0;
  return {
    view: () => ({ ...state }),
    ready: () => state.peopleRoom !== "",
    say: async (body) => {
      sent += 1;
      const path = `${CLIENT}/rooms/${encodeURIComponent(state.peopleRoom)}/send/m.room.message/demo-${Date.now()}-${sent}`;
      const answer = await call(url, "PUT", path, { token, body: { msgtype: "m.text", body } });
      if (answer.status !== 200) state.talk.push(`(not sent: ${answer.text.slice(0, 120)})`);
    },
    stop: async () => {
      aborter.abort();
      await running;
    },
  };
};
