// Delayed events, MSC4140 in the old form that servers ship (`org.matrix.msc4140`): scheduled, restarted, cancelled, sent.
import type { JsonObject } from "./json.ts";
import { badRequest, notFound, Refusal } from "./refusal.ts";
import { type DelayedEvent, freshId, type World } from "./world.ts";

const SCHEDULED_MAX = 100;

const arm = (world: World, id: string, delayMs: number, send: () => void): (() => void) => {
  const fire = (): void => {
    world.delayed.delete(id);
    try {
      send();
    } catch {
      // Refused when its time came (left the room, lost the power): servers drop it too.
    }
  };
  return world.timers.after(delayMs, fire);
};

export const scheduleDelayed = (
  world: World,
  userId: string,
  delayMs: number,
  described: JsonObject,
  send: () => unknown,
): JsonObject => {
  const max = world.delayedEventMaxMs;
  if (max === null || delayMs > max || !Number.isInteger(delayMs) || delayMs <= 0) {
    throw new Refusal(400, "M_UNKNOWN", "The requested delay exceeds the allowed maximum.", {
      "org.matrix.msc4140.errcode": "M_MAX_DELAY_EXCEEDED",
      "org.matrix.msc4140.max_delay": max ?? 0,
    });
  }
  const mine = [...world.delayed.values()].filter((event) => event.userId === userId);
  if (mine.length >= SCHEDULED_MAX)
    throw new Refusal(400, "M_UNKNOWN", "The maximum number of delayed events was reached.");
  const id = `syd_${freshId(world, "delayed").slice(0, 20)}`;
  const fire = (): void => void send();
  const cancel = arm(world, id, delayMs, fire);
  world.delayed.set(id, { id, userId, delayMs, since: world.now(), send: fire, described, cancel });
  return { delay_id: id };
};

export const listDelayed = (world: World, userId: string): JsonObject => ({
  delayed_events: [...world.delayed.values()]
    .filter((event) => event.userId === userId)
    .map(({ id, delayMs, since, described }) => ({
      delay_id: id,
      delay: delayMs,
      running_since: since,
      ...described,
    })),
});

const restart = (world: World, event: DelayedEvent): void => {
  const cancel = arm(world, event.id, event.delayMs, event.send);
  world.delayed.set(event.id, { ...event, since: world.now(), cancel });
};

export const manageDelayed = (world: World, id: string, action: string): JsonObject => {
  const event = world.delayed.get(id);
  if (!["send", "cancel", "restart"].includes(action)) throw badRequest("M_INVALID_PARAM", "Unknown action");
  if (event === undefined) throw notFound("Delayed event not found");
  event.cancel();
  world.delayed.delete(id);
  if (action === "restart") restart(world, event);
  if (action === "send") event.send();
  return {};
};

export const stopDelayed = (world: World): void => {
  for (const { cancel } of world.delayed.values()) cancel();
};

/** After a restart of the server what was scheduled goes on; what came due meanwhile is sent. */
export const resumeDelayed = (world: World): void => {
  for (const event of [...world.delayed.values()]) {
    const left = Math.max(0, event.since + event.delayMs - world.now());
    world.delayed.set(event.id, { ...event, cancel: arm(world, event.id, left, event.send) });
  }
};
