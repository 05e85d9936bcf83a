// What is told of an alarm: written with its state, in one transaction; put into the outbox, lane `alarm`, as soon as the rooms are known.
// People first: their message is what rings.
import { deliveredAs, forgetDelivered, isWaiting, put } from "#agent/delivery/outbox.ts";
import type { Random } from "#agent/runtime.ts";
import type { Database, Vault } from "#agent/store/store.ts";
import { encodeAlarm, encodeRemoved } from "./event.ts";
import type { AlarmRule } from "./rule.ts";
import type { News, Raised } from "./state.ts";
import { addNews, allNews, type NewsItem, removeNews } from "./tables.ts";
import { asAnswer, clearedMessage, raisedMessage, removedMessage } from "./words.ts";

export interface Telling {
  readonly vault: Vault;
  readonly random: Random;
  readonly device: string;
  readonly namespace: string;
  /** What stands before a command in the people room. */
  readonly prefix: string;
  /** Null: the device has not been in its rooms yet. */
  readonly rooms: () => RoomIds | null;
}

export interface RoomIds {
  readonly data: string;
  readonly people: string;
}

/** Under this name the outbox remembers the event that told people of the raised alarm. */
const reference = (alarmId: string): string => `alarm ${alarmId}`;

const addBoth = (
  database: Database,
  vault: Vault,
  item: Pick<NewsItem, "alarmId" | "answers">,
  people: NewsItem["content"],
  data: NewsItem["content"],
): void => {
  addNews(database, vault, { ...item, audience: "people", content: people });
  addNews(database, vault, { ...item, audience: "data", content: data });
};

export const tell = (database: Database, telling: Telling, rule: AlarmRule, news: News): void => {
  const { device, prefix, vault } = telling;
  const { raised } = news;
  const people =
    news.kind === "raised" ? raisedMessage(device, rule, raised, prefix) : clearedMessage(device, rule, news);
  const item = { alarmId: raised.id, answers: news.kind === "cleared" };
  addBoth(database, vault, item, people, encodeAlarm(device, rule, news));
};

export const tellRemoved = (
  database: Database,
  { device, vault }: Telling,
  name: string,
  raised: Raised,
  nowMs: number,
): void => {
  const item = { alarmId: raised.id, answers: true };
  addBoth(
    database,
    vault,
    item,
    removedMessage(device, name, raised),
    encodeRemoved(device, name, raised, nowMs),
  );
};

const putAnswer = (database: Database, telling: Telling, item: NewsItem, people: string): void => {
  const { random, vault } = telling;
  const content = asAnswer(item.content, deliveredAs(database, reference(item.alarmId)));
  put(database, vault, random, { lane: "alarm", roomId: people, type: "m.room.message", content });
  forgetDelivered(database, reference(item.alarmId));
};

const putOther = (database: Database, telling: Telling, item: NewsItem, roomId: string): void => {
  const { namespace, random, vault } = telling;
  const { alarmId, audience, content } = item;
  put(database, vault, random, {
    lane: "alarm",
    roomId,
    content,
    ...(audience === "people"
      ? { type: "m.room.message", reference: reference(alarmId) }
      : { type: `${namespace}.alarm` }),
  });
};

/**
 * Moves what waits into the outbox; true if there was any. An answer waits until the message that it answers has been accepted (or set aside): its
 * event ID is not known before.
 */
export const flush = (database: Database, telling: Telling): boolean => {
  const rooms = telling.rooms();
  if (rooms === null) return false;
  let any = false;
  for (const item of allNews(database, telling.vault)) {
    const isAnswer = item.answers && item.audience === "people";
    if (isAnswer && isWaiting(database, reference(item.alarmId))) continue;
    if (isAnswer) putAnswer(database, telling, item, rooms.people);
    else putOther(database, telling, item, rooms[item.audience]);
    removeNews(database, item.id);
    any = true;
  }
  return any;
};
