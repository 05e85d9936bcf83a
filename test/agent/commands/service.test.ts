// The inbox and the service around the commands: order, bounds, and an end that does not wait for a slow one.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Command } from "#agent/commands/command.ts";
import { oldestIn, prune, receive } from "#agent/commands/inbox.ts";
import { COMMANDS_KEPT_MAX, REPLIES_WAITING_MAX } from "#agent/commands/limits.ts";
import { runProgram } from "#agent/commands/program.ts";
import { CommandService } from "#agent/commands/service.ts";
import { commandsMigrations } from "#agent/commands/tables.ts";
import { put, waitingIn } from "#agent/delivery/outbox.ts";
import { deliveryMigrations } from "#agent/delivery/tables.ts";
import type { MatrixClient, SyncBatch, TimelineEvent } from "#agent/matrix/types.ts";
import { checkContent } from "#agent/matrix/validate.ts";
import { type Database, type Store, StoreError } from "#agent/store/store.ts";
import { until } from "#test/drivers/harness.ts";
import { fastRuntime } from "../delivery/support.ts";
import { openTestStore, temporaryFolder } from "../store/support.ts";
import type { LogLine } from "../whole-agent.ts";

const openStore = (): Promise<Store> =>
  openTestStore(join(temporaryFolder(), "c.db"), { migrations: [deliveryMigrations, commandsMigrations] });

const said = (eventId: string, body: string, ts = Date.now()): TimelineEvent => ({
  provenance: "live",
  event: {
    eventId,
    roomId: "!r",
    type: "m.room.message",
    sender: "@alice:hs",
    originServerTs: ts,
    content: { msgtype: "m.text", body },
    unsigned: {},
  },
});

const given = (database: Database, store: Store, id: string, ts: number): void =>
  receive(database, store.vault, said(id, "x", ts), { name: "x", words: [], named: {} });

describe("the inbox", () => {
  it("gives commands in the order of the server, whatever stamps they carry", async () => {
    const store = await openStore();
    await store.transaction((database) => {
      given(database, store, "$late", 5000);
      given(database, store, "$early", 1);
    });
    expect(store.read((database) => oldestIn(database, store.vault, "received"))?.eventId).toBe("$late");
  });

  it("keeps what it received last, not what claims to be of the future, and nothing that waits", async () => {
    const store = await openStore();
    const kept = await store.transaction((database) => {
      given(database, store, "$waiting", 0);
      for (let index = 0; index < COMMANDS_KEPT_MAX + 50; index += 1)
        given(database, store, `$${index}`, 1e12 - index);
      database.prepare("UPDATE command SET state = 'refused' WHERE event_id <> '$waiting'").run();
      prune(database);
      return database.prepare("SELECT event_id AS id FROM command ORDER BY rowid").all();
    });
    expect(kept).toHaveLength(COMMANDS_KEPT_MAX + 1);
    expect(kept.slice(0, 2).map(({ id }) => id)).toEqual(["$waiting", "$50"]);
  });
});

interface Bench {
  readonly store: Store;
  readonly service: CommandService;
  readonly end: AbortController;
  readonly lines: LogLine[];
  say(...events: TimelineEvent[]): Promise<void>;
  replies(): string[];
}

const bench = async (run: Command["run"], known?: Store): Promise<Bench> => {
  const store = known ?? (await openStore());
  const end = new AbortController();
  const lines: LogLine[] = [];
  // Of the client the service asks for two things only.
  const client = {
    powerLevels: () => Promise.resolve({ userLevel: () => 100, eventLevel: () => 0 }),
    receipt: () => Promise.resolve(),
  } as unknown as MatrixClient;
  const command: Command = { name: "go", help: "", level: 50, harmless: false, rules: {}, run };
  const service = new CommandService({
    client,
    store,
    runtime: fastRuntime(50, lines),
    roomId: "!r",
    listening: { prefix: "!petrel", userId: "@drone:hs", namespace: "dev.petrel", bare: true },
    validForMs: 60_000,
    confirmWithinMs: 60_000,
    confirmInClear: false,
    clockState: () => "ntp",
    nowMs: () => Date.now(),
    commands: () => [command],
    wake: () => undefined,
    signal: end.signal,
  });
  return {
    store,
    service,
    end,
    lines,
    say: async (...timeline) => {
      const room = { timeline, state: [], truncated: false };
      // The service looks at the rooms only.
      const batch = { joined: new Map([["!r", room]]) } as unknown as SyncBatch;
      await store.transaction((database) => service.apply(batch, database));
      service.committed();
    },
    replies: () =>
      store.read((database) =>
        database
          .prepare("SELECT content FROM outbox ORDER BY id")
          .all()
          .map(({ content }) => {
            const text = new TextDecoder().decode(store.vault.open("outbox/content", content as Uint8Array));
            const parsed = JSON.parse(text) as { body: string };
            checkContent(parsed);
            return parsed.body;
          }),
      ),
  };
};

describe("the service", () => {
  it("does not wait for a command that goes on when the agent stops, and tells so at the next start", async () => {
    const first = await bench(() => new Promise(() => undefined));
    await first.say(said("$1", "go"));
    const runs = (): boolean =>
      first.store.read((database) => oldestIn(database, first.store.vault, "running")) !== null;
    await until(runs, "the command to run");
    first.end.abort();
    await first.service.stop();
    expect(first.replies()).toEqual([]);
    expect(first.lines.filter(({ level }) => level === "error")).toEqual([]);
    const second = await bench(() => Promise.resolve({ ok: true, text: "run twice" }), first.store);
    await second.service.start();
    expect(second.replies()).toEqual([expect.stringContaining("interrupted")]);
  });

  it("cuts an answer that no event could hold, and mends half a character", async () => {
    const { replies, say } = await bench(() =>
      Promise.resolve({ ok: true, text: `\ud800${"😀".repeat(50_000)}` }),
    );
    await say(said("$1", "go"));
    await until(() => replies().length > 0, "a reply");
    expect(replies()[0]?.length).toBeLessThan(8100);
    expect(replies()[0]).toContain("more characters");
  });

  it("runs nothing more while too many replies wait", async () => {
    let runs = 0;
    const { say, store } = await bench(() => {
      runs += 1;
      return Promise.resolve({ ok: true, text: "done" });
    });
    await store.transaction((database) => {
      for (let index = 0; index < REPLIES_WAITING_MAX; index += 1)
        put(database, store.vault, (length) => randomBytes(length), {
          lane: "reply",
          roomId: "!r",
          type: "t",
          content: {},
        });
    });
    await say(said("$1", "go"));
    const left = (): boolean =>
      store.read((database) => oldestIn(database, store.vault, "received")) === null;
    await until(left, "the command to be looked at");
    expect(runs).toBe(0);
    expect(store.read((database) => waitingIn(database, "reply"))).toBe(REPLIES_WAITING_MAX);
  });

  it("answers what it has run although the store was busy when it was done", async () => {
    const real = await openStore();
    let transactions = 0;
    const busy: Store = {
      ...real,
      failed: real.failed,
      transaction: (work) => {
        transactions += 1;
        // Received, running, and then the answer.
        return transactions === 3
          ? Promise.reject(new StoreError("BUSY", "too many transactions wait"))
          : real.transaction(work);
      },
    };
    const { replies, say } = await bench(() => Promise.resolve({ ok: true, text: "done" }), busy);
    await say(said("$1", "go"));
    await until(() => replies().length === 1, "a reply");
    expect(replies()).toEqual(["done"]);
  });

  it("that had nothing to do at its start hears of what comes later", async () => {
    const { replies, say, service } = await bench(() => Promise.resolve({ ok: true, text: "done" }));
    await service.start();
    await say(said("$1", "go"));
    await until(() => replies().length === 1, "a reply");
  });

  it("never sleeps on a command that was received while it came to its end", async () => {
    const done: string[] = [];
    const { replies, say } = await bench(() => {
      done.push("x");
      return Promise.resolve({ ok: true, text: "done" });
    });
    for (let index = 0; index < 60; index += 1) {
      await say(said(`$${index}`, "go"));
      for (let turn = 0; turn < index % 7; turn += 1) await Promise.resolve();
    }
    await until(() => replies().length === 60, "all replies");
    expect(done).toHaveLength(60);
  });
});

describe("a program", () => {
  it("is ended with what it started when the agent stops", async () => {
    const end = new AbortController();
    const killGroup = (pid: number, signal: "SIGTERM" | "SIGKILL"): void => void process.kill(-pid, signal);
    const { timers } = fastRuntime(1);
    const call = { program: "/bin/sleep", args: ["600"], timeoutMs: 600_000, environment: {}, killGroup };
    const result = runProgram({ ...call, signal: end.signal }, timers);
    end.abort();
    expect(await result).toEqual({ ok: false, text: "stopped, since the device stops" });
    expect(await runProgram({ ...call, signal: end.signal }, timers)).toMatchObject({ ok: false });
  });
});
