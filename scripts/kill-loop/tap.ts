// A TCP relay on 127.0.0.1 in front of a broker or a homeserver: shows from outside what an agent is doing, so that it can be killed in the middle of it,
// and can lose an answer after the other side has done what was asked.
import { once } from "node:events";
import { createServer, connect as openConnection, type Socket } from "node:net";

export type Direction = "up" | "down";

export interface Tap {
  readonly port: number;
  /** Told each chunk that passes, after it was passed on; "up" comes from the agent. Returns what ends it. */
  watch(listener: (direction: Direction, chunk: Buffer) => void): () => void;
  /** The answers to the next `count` requests that match: swallowed, and the connection is cut. */
  loseAnswers(request: RegExp, count: number): void;
  /** How many answers were lost so far. */
  lost(): number;
  dispose(): Promise<void>;
}

/** Enough of a request to see its first line. */
const HEAD_BYTES = 400;

interface Losing {
  readonly request: RegExp;
  left: number;
}

interface State {
  readonly listeners: Set<(direction: Direction, chunk: Buffer) => void>;
  readonly sockets: Set<Socket>;
  losing: Losing | null;
  lost: number;
}

const relay = (state: State, agent: Socket, target: Socket): void => {
  let doomed = false;
  const tell = (direction: Direction, chunk: Buffer): void => {
    for (const listener of [...state.listeners]) listener(direction, chunk);
  };
  agent.on("data", (chunk: Buffer) => {
    const { losing } = state;
    if (losing !== null && losing.left > 0 && losing.request.test(chunk.toString("latin1", 0, HEAD_BYTES))) {
      losing.left -= 1;
      doomed = true;
    }
    target.write(chunk);
    tell("up", chunk);
  });
  target.on("data", (chunk: Buffer) => {
    if (doomed) {
      state.lost += 1;
      agent.destroy();
      target.destroy();
      return;
    }
    agent.write(chunk);
    tell("down", chunk);
  });
};

const join = (state: State, agent: Socket, targetPort: number): void => {
  const target = openConnection(targetPort, "127.0.0.1");
  for (const [socket, other] of [
    [agent, target],
    [target, agent],
  ] as const) {
    state.sockets.add(socket);
    socket.setNoDelay(true);
    // A killed process resets its connections: that is what this is for.
    socket.on("error", () => other.destroy());
    socket.on("end", () => other.end());
    socket.on("close", () => {
      state.sockets.delete(socket);
      other.destroy();
    });
  }
  relay(state, agent, target);
};

export const openTap = async (targetPort: number): Promise<Tap> => {
  const state: State = { listeners: new Set(), sockets: new Set(), losing: null, lost: 0 };
  const server = createServer((agent) => join(state, agent, targetPort));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    watch: (listener) => {
      state.listeners.add(listener);
      return () => void state.listeners.delete(listener);
    },
    loseAnswers: (request, count) => {
      state.losing = { request, left: count };
    },
    lost: () => state.lost,
    dispose: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of state.sockets) socket.destroy();
      await closed;
    },
  };
};
