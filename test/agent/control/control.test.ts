// The control socket: one request, an answer or many, bounded on both sides.
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { askAgent } from "#agent/control/client.ts";
import { lineSplitter } from "#agent/control/lines.ts";
import {
  CONTROL_CONNECTIONS_MAX,
  CONTROL_LINE_BYTES_MAX,
  CONTROL_UNREAD_BYTES_MAX,
} from "#agent/control/protocol.ts";
import { type Handler, startControl } from "#agent/control/server.ts";
import { CliError } from "#agent/exit.ts";
import type { JsonValue } from "#agent/matrix/types.ts";
import type { Log } from "#agent/runtime.ts";
import { temporaryFolder } from "../whole-agent.ts";

const ignore = (): void => undefined;
const silent: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

const serve = async (handlers: Readonly<Record<string, Handler>>): Promise<string> => {
  const path = join(temporaryFolder(), "control.sock");
  const server = await startControl(path, () => Promise.resolve(handlers), silent);
  onTestFinished(() => server.close());
  return path;
};

/** Everything that comes until the other side closes. */
const exchange = (path: string, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let received = "";
    const socket = createConnection(path);
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => (received += chunk));
    socket.once("error", reject);
    socket.once("close", () => resolve(received));
    socket.write(text);
  });

const fault = (asked: Promise<unknown>): Promise<unknown> => asked.then(ignore, (error: unknown) => error);

const echo: Handler = (args) => Promise.resolve(args);

describe("a request", () => {
  it("is answered with the handler's result", async () => {
    const path = await serve({ echo });
    expect(await askAgent(path, { verb: "echo", args: { a: "ü\n" } })).toEqual({ result: { a: "ü\n" } });
  });

  it("brings events before its result, in order", async () => {
    const path = await serve({
      count: (_args, { event }) => {
        for (let n = 0; n < 1000; n += 1) event(n);
        return Promise.resolve("done");
      },
    });
    const events: JsonValue[] = [];
    const answer = await askAgent(path, { verb: "count", args: {} }, (value) => events.push(value));
    expect(answer).toEqual({ result: "done" });
    expect(events).toEqual(Array.from({ length: 1000 }, (_, n) => n));
  });

  it("that fails carries the error's line and its exit code", async () => {
    const path = await serve({ fail: () => Promise.reject(new CliError(5, "no such room; name another")) });
    const error = await fault(askAgent(path, { verb: "fail", args: {} }));
    expect(error).toMatchObject({ message: "no such room; name another", exitCode: 5 });
  });

  it.each([
    ['{"verb":"nonsense"}\n', 'the running agent does not know \\"nonsense\\": is it of another version?'],
    ['{"verb":"toString"}\n', "does not know"],
    ["hello\n", "expected one JSON object with a verb"],
    ["[]\n", "expected one JSON object with a verb"],
    ['{"verb":7}\n', "expected one JSON object with a verb"],
  ])("%j is refused with exit code 2", async (line, said) => {
    const answer = await exchange(await serve({ echo }), line);
    expect(answer).toContain(said);
    expect(JSON.parse(answer)).toMatchObject({ code: 2 });
  });

  it.each([["with a line break"], ["without one"]])(
    "that is oversize, %s, is refused and closed",
    async (how) => {
      const path = await serve({ echo });
      const request = JSON.stringify({ verb: "echo", args: { a: "x".repeat(CONTROL_LINE_BYTES_MAX) } });
      const answer = await exchange(path, how === "without one" ? request : `${request}\n`);
      expect(JSON.parse(answer)).toEqual({
        error: `expected a request of at most ${CONTROL_LINE_BYTES_MAX} characters`,
        code: 2,
      });
    },
  );
});

describe("who goes away", () => {
  it("in the middle of a tail ends the handler's work", async () => {
    const gone = Promise.withResolvers<void>();
    const path = await serve({
      tail: (_args, { event, signal }) => {
        signal.addEventListener("abort", () => gone.resolve());
        event("one");
        return new Promise(ignore);
      },
    });
    const aborter = new AbortController();
    const answer = await askAgent(path, { verb: "tail", args: {} }, () => aborter.abort(), aborter.signal);
    expect(answer).toEqual({ result: null });
    await gone.promise;
  });

  it("without reading is let go before the answers fill the memory", async () => {
    const gone = Promise.withResolvers<number>();
    const path = await serve({
      flood: (_args, { event, signal }) => {
        let sent = 0;
        for (; !signal.aborted && sent < 10 * CONTROL_UNREAD_BYTES_MAX; sent += 100_000)
          event("x".repeat(100_000));
        signal.addEventListener("abort", () => gone.resolve(sent));
        return new Promise(ignore);
      },
    });
    const socket: Socket = createConnection(path);
    onTestFinished(() => void socket.destroy());
    socket.on("error", ignore);
    socket.write('{"verb":"flood"}\n');
    await gone.promise;
  });

  it("is the agent: the client says so", async () => {
    const path = join(temporaryFolder(), "control.sock");
    const asked = Promise.withResolvers<void>();
    const wait: Handler = () => {
      asked.resolve();
      return new Promise(ignore);
    };
    const server = await startControl(path, () => Promise.resolve({ wait }), silent);
    const error = fault(askAgent(path, { verb: "wait", args: {} }));
    await asked.promise;
    await server.close();
    expect(await error).toMatchObject({
      exitCode: 1,
      message: expect.stringMatching(/closed the connection/) as unknown,
    });
    expect(await askAgent(path, { verb: "wait", args: {} })).toBeNull();
  });
});

describe("the socket", () => {
  it("of an agent that was killed is taken over", async () => {
    const path = join(temporaryFolder(), "control.sock");
    const first = await startControl(path, () => Promise.resolve({}), silent);
    const second = await startControl(path, () => Promise.resolve({ echo }), silent);
    onTestFinished(async () => {
      await first.close();
      await second.close();
    });
    expect(await askAgent(path, { verb: "echo", args: {} })).toEqual({ result: {} });
  });

  it("serves so many at once, and drops the next", async () => {
    const path = await serve({ wait: () => new Promise(ignore), echo });
    const held = Array.from({ length: CONTROL_CONNECTIONS_MAX }, () => createConnection(path));
    onTestFinished(() => {
      for (const socket of held) socket.destroy();
    });
    await Promise.all(held.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    expect(await fault(askAgent(path, { verb: "echo", args: {} }))).toMatchObject({ exitCode: 1 });
    for (const socket of held) socket.destroy();
  });
});

describe("lines", () => {
  it("are the same however the text is cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 20 })),
        fc.infiniteStream(fc.integer({ min: 1, max: 7 })),
        (wanted, sizes) => {
          const lines = wanted.map((line) => line.replaceAll("\n", "")).filter((line) => line !== "");
          const found: string[] = [];
          const take = lineSplitter((line) => found.push(line));
          let rest = lines.map((line) => `${line}\n`).join("");
          for (const size of sizes) {
            if (rest === "") break;
            expect(take(rest.slice(0, size))).toBe(true);
            rest = rest.slice(size);
          }
          expect(found).toEqual(lines);
        },
      ),
    );
  });

  it("beyond the bound are never handed on", () => {
    const found: string[] = [];
    const take = lineSplitter((line) => found.push(line), 3);
    expect(take("abc\n")).toBe(true);
    expect(take("abcd\n")).toBe(false);
    expect(found).toEqual(["abc"]);
  });
});
