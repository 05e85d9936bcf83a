// The operator, as any Matrix client would be: accepts invites, reads both rooms, sends messages; encrypted, by our own machine.
import type { RoomEvent } from "#agent/matrix/types.ts";
import { parseTelemetry, TelemetryError } from "#agent/telemetry/index.ts";
import { at, type Json, text } from "#test/peers/http.ts";
import { startEncryptedClient } from "./encrypted-client.ts";

export interface Account {
  readonly url: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly accessToken: string;
  readonly password: string;
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

const readingsIn = ({ content }: RoomEvent): number => {
  try {
    return parseTelemetry(content).readings.length;
  } catch (error) {
    if (error instanceof TelemetryError) return 0;
    throw error;
  }
};

const takeEvent = (state: State, own: string, event: RoomEvent): void => {
  if (event.type === "dev.petrel.telemetry") {
    state.telemetryEvents += 1;
    state.readings += readingsIn(event);
  }
  if (event.type !== "m.room.message") return;
  state.peopleRoom = event.roomId;
  const { content, eventId, sender } = event;
  takeMessage(state, own, {
    event_id: eventId,
    sender,
    content: JSON.parse(JSON.stringify(content)) as Json,
  });
};

export const startOperator = async (account: Account): Promise<Operator> => {
  const { userId } = account;
  const client = await startEncryptedClient(account);
  const state: State = {
    status: "",
    statusId: "",
    talk: [],
    telemetryEvents: 0,
    readings: 0,
    replies: 0,
    peopleRoom: "",
  };
  let taken = 0;
  const take = (): void => {
    for (const { event, opened } of client.events.slice(taken)) {
      taken += 1;
      // What came in clear is no word of the device's in an encrypted room.
      if (opened !== undefined) takeEvent(state, userId, event);
    }
  };
  return {
    view: () => {
      take();
      return { ...state };
    },
    ready: () => {
      take();
      return state.peopleRoom !== "";
    },
    say: async (body) => {
      state.talk.push(`${userId.split(":")[0]}: ${body}`);
      await client.say(state.peopleRoom, body);
    },
    stop: () => client.stop(),
  };
};
