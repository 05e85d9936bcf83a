// Dangerous commands wait for a code (agent/commands/confirms.ts): who may give it, when, how often; across a restart; and never in a room where anybody could.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseCode } from "#agent/commands/code.ts";
import type { Command } from "#agent/commands/command.ts";
import { CODE_TRIES_MAX } from "#agent/commands/limits.ts";
import { CommandService } from "#agent/commands/service.ts";
import { commandsMigrations } from "#agent/commands/tables.ts";
import { deliveryMigrations } from "#agent/delivery/tables.ts";
import type { JsonObject, MatrixClient, SyncBatch, TimelineEvent } from "#agent/matrix/types.ts";
import type { Store } from "#agent/store/store.ts";
import { until } from "#test/drivers/harness.ts";
import { fastRuntime } from "../delivery/support.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";

const WITHIN_MS = 120_000;
const ALICE = "@alice:hs";
const BOB = "@bob:hs";
const LISTENING = { prefix: "!petrel", userId: "@drone:hs", namespace: "dev.petrel", bare: false };

interface Options {
  readonly store?: Store;
  readonly encrypted?: boolean;
  readonly inClear?: boolean;
  readonly levels?: Readonly<Record<string, number>>;
  /** Of the device that sent it. */
  readonly trust?: "cross-signed" | "unsigned";
  readonly effect?: string;
}

interface Bench {
  readonly store: Store;
  readonly runs: string[];
  /** Moves the clock on. */
  later(ms: number): void;
  say(body: string, more?: Partial<Said>): Promise<void>;
  /** All that was answered, once there are so many. */
  answers(count: number): Promise<string[]>;
  stop(): Promise<void>;
}

interface Said {
  readonly sender: string;
  readonly inClear: boolean;
  readonly content: JsonObject;
  readonly type: string;
}

let events = 0;

const bench = async (options: Options = {}): Promise<Bench> => {
  const {
    effect = 'sends "off" to pump',
    encrypted = true,
    inClear = false,
    levels = {},
    trust = "cross-signed",
  } = options;
  const migrations = [deliveryMigrations, commandsMigrations];
  const store = options.store ?? (await openTestStore(join(temporaryFolder(), "c.db"), { migrations }));
  const end = new AbortController();
  const runs: string[] = [];
  let offsetMs = 0;
  const nowMs = (): number => 1_800_000_000_000 + offsetMs;
  // Of the client the service asks for two things only.
  const client = {
    powerLevels: () =>
      Promise.resolve({ userLevel: (userId: string) => levels[userId] ?? 50, eventLevel: () => 0 }),
    receipt: () => Promise.resolve(),
  } as unknown as MatrixClient;
  const command: Command = {
    name: "pump",
    help: "",
    level: 50,
    harmless: false,
    rules: { state: { one_of: ["on", "off"] } },
    confirm: () => effect,
    run: (values) => {
      runs.push(values["state"] ?? "");
      return Promise.resolve({ ok: true, text: "the pump was told" });
    },
  };
  const service = new CommandService({
    client,
    store,
    runtime: fastRuntime(50, []),
    roomId: "!r",
    listening: LISTENING,
    validForMs: 60_000,
    confirmWithinMs: WITHIN_MS,
    confirmInClear: inClear,
    clockState: () => "ntp",
    nowMs,
    commands: () => [command],
    wake: () => undefined,
    signal: end.signal,
    ...(encrypted ? { encryption: { isEncrypted: () => true, trustOf: () => Promise.resolve(trust) } } : {}),
  });
  await service.start();
  const bodies = (): string[] =>
    store.read((database) =>
      database
        .prepare("SELECT content FROM outbox ORDER BY id")
        .all()
        .map(({ content }) => {
          const text = new TextDecoder().decode(store.vault.open("outbox/content", content as Uint8Array));
          return (JSON.parse(text) as { body: string }).body;
        }),
    );
  return {
    store,
    runs,
    later: (ms) => {
      offsetMs += ms;
    },
    say: async (body, { content, inClear: clear = false, sender = ALICE, type = "m.room.message" } = {}) => {
      events += 1;
      const event: TimelineEvent = {
        provenance: "live",
        event: {
          eventId: `$${events}`,
          roomId: "!r",
          type,
          sender,
          originServerTs: nowMs(),
          content: content ?? { msgtype: "m.text", body },
          unsigned: {},
        },
        ...(encrypted && !clear ? { opened: { deviceId: "PHONE", shield: null } } : {}),
      };
      const room = { timeline: [event], state: [], truncated: false };
      // The service looks at the rooms only.
      const batch = { joined: new Map([["!r", room]]) } as unknown as SyncBatch;
      await store.transaction((database) => service.apply(batch, database));
      service.committed();
    },
    answers: async (count) => {
      await until(() => bodies().length >= count, `${count} answers`);
      return bodies();
    },
    stop: async () => {
      end.abort();
      await service.stop();
    },
  };
};

const codeIn = (text = ""): string => /\b\d{6}\b/.exec(text)?.[0] ?? "";

/** A code of the right length that is not the one. */
const other = (code: string, step = 1): string => String((Number(code) + step) % 1_000_000).padStart(6, "0");

const asked = async (here: Bench): Promise<string> => {
  await here.say("!petrel pump off");
  const [question = ""] = await here.answers(1);
  return codeIn(question);
};

describe("a dangerous command", () => {
  it("says what it will do, waits for its code, and runs once when who asked gives it", async () => {
    const here = await bench();
    const code = await asked(here);
    expect((await here.answers(1))[0]).toBe(
      `pump sends "off" to pump. To have it done, answer with the code ${code} within 120 s; only ${ALICE} can, once.`,
    );
    expect(here.runs).toEqual([]);
    await here.say(code);
    expect((await here.answers(2))[1]).toBe("the pump was told");
    await here.say(code);
    expect((await here.answers(3))[2]).toContain("used already");
    expect(here.runs).toEqual(["off"]);
  });

  it("asks for nothing where its arguments are wrong", async () => {
    const here = await bench();
    await here.say("!petrel pump sideways");
    expect((await here.answers(1))[0]).toContain("expected on or off");
    await here.say("!petrel 123456");
    expect((await here.answers(2))[1]).toContain("no command of yours waits");
  });

  it("is void after some wrong codes, the right one too", async () => {
    const here = await bench();
    const code = await asked(here);
    for (let tries = 1; tries <= CODE_TRIES_MAX; tries += 1) await here.say(other(code, tries));
    await here.say(code);
    const said = await here.answers(CODE_TRIES_MAX + 2);
    expect(said[1]).toContain("2 more tries");
    expect(said[CODE_TRIES_MAX]).toContain("nothing was done");
    expect(said[CODE_TRIES_MAX + 1]).toContain("void");
    expect(here.runs).toEqual([]);
  });

  it("is not done when the code comes too late", async () => {
    const here = await bench();
    const code = await asked(here);
    here.later(WITHIN_MS + 1);
    await here.say(code);
    expect((await here.answers(2))[1]).toContain("too late");
    expect(here.runs).toEqual([]);
  });

  it("is not done by another user who read the code, nor by a user who may not command any more", async () => {
    const levels: Record<string, number> = {};
    const here = await bench({ levels });
    const code = await asked(here);
    await here.say(code, { sender: BOB });
    expect((await here.answers(2))[1]).toContain(`given to ${ALICE}`);
    levels[ALICE] = 0;
    await here.say(code);
    expect((await here.answers(3))[2]).toContain("power level 50 is needed");
    expect(here.runs).toEqual([]);
  });

  it("is not done by a code in clear, by one of an unsigned device, nor by a reaction", async () => {
    const here = await bench();
    const code = await asked(here);
    await here.say(code, { inClear: true });
    expect((await here.answers(2))[1]).toContain("it was not encrypted, and this room is");
    const annotation = { rel_type: "m.annotation", event_id: "$1", key: code };
    await here.say("", { type: "m.reaction", content: { "m.relates_to": annotation } });
    await here.stop();
    const unsigned = await bench({ store: here.store, trust: "unsigned" });
    await unsigned.say(code);
    expect((await unsigned.answers(3))[2]).toContain("not cross-signed");
    expect([...here.runs, ...unsigned.runs]).toEqual([]);
  });

  it("waits over a restart, and is done by the process after it", async () => {
    const first = await bench();
    const code = await asked(first);
    await first.stop();
    const second = await bench({ store: first.store });
    await second.say(code);
    expect((await second.answers(2))[1]).toBe("the pump was told");
    expect([first.runs, second.runs]).toEqual([[], ["off"]]);
  });

  it("is not done where the configuration makes something else of it by then", async () => {
    const first = await bench();
    const code = await asked(first);
    await first.stop();
    const second = await bench({ store: first.store, effect: "runs /usr/bin/burn" });
    await second.say(code);
    expect((await second.answers(2))[1]).toContain("the configuration has changed since");
    expect(second.runs).toEqual([]);
  });
});

describe("in a room that is not encrypted", () => {
  it("it is refused, since whoever reads along could give the code", async () => {
    const here = await bench({ encrypted: false });
    await here.say("!petrel pump off");
    expect((await here.answers(1))[0]).toContain("this room is not encrypted");
    expect(here.runs).toEqual([]);
  });

  it("the code counts where the configuration says so", async () => {
    const here = await bench({ encrypted: false, inClear: true });
    const code = await asked(here);
    await here.say(code);
    await here.answers(2);
    expect(here.runs).toEqual(["off"]);
  });
});

describe("digits", () => {
  const message = (body: string, more: JsonObject = {}): string | null => {
    const content = { msgtype: "m.text", body, ...more };
    const event = {
      eventId: "$",
      roomId: "!r",
      type: "m.room.message",
      sender: ALICE,
      originServerTs: 0,
      content,
      unsigned: {},
    };
    return parseCode(event, LISTENING)?.words[0] ?? null;
  };

  it("are a code alone, behind the prefix or a name, and in a reply", () => {
    const relation = { "m.relates_to": { "m.in_reply_to": { event_id: "$q" } } };
    expect([
      message("123456"),
      message(" 123456 "),
      message("!petrel 123456"),
      message("@drone:hs: 123456"),
      message("drone: 123456"),
      message("> <@drone:hs> answer with the code\n> 999999\n\n123456", relation),
    ]).toEqual(Array.from({ length: 6 }, () => "123456"));
  });

  it("are none within a sentence, too many or too few of them, or edited in", () => {
    const edited = { "m.relates_to": { rel_type: "m.replace", event_id: "$q" } };
    expect([
      message("at 123456 we go"),
      message("1234567"),
      message("12345"),
      message("123456", edited),
    ]).toEqual([null, null, null, null]);
  });

  it("that people write to each other are not answered", async () => {
    const here = await bench();
    await here.say("123456");
    await here.say("!petrel 123456");
    expect(await here.answers(1)).toEqual([expect.stringContaining("no command of yours waits")]);
  });
});
