// One HTTP exchange: bytes out, bytes in, or a MatrixError of kind "network" or "aborted". Knows nothing of Matrix but that error.
// node:http with a keep-alive agent: it costs 1.2 MB of memory at its first use where fetch costs 19 (README, decision of 2026-11-24).
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as openHttp } from "node:http";
import type { Agent as HttpsAgent, request as openHttps } from "node:https";
import type { Timers } from "#agent/runtime.ts";
import { gunzip } from "./gunzip.ts";
import {
  ADDRESS_ATTEMPT_MS,
  ANSWER_TIMEOUT_MS,
  BODY_IDLE_MS,
  ERROR_BYTES_MAX,
  EXCHANGE_MAX_MS,
  JSON_BYTES_MAX,
  SOCKET_IDLE_MS,
  SOCKETS_MAX,
  UPLOAD_BYTES_PER_SECOND_MIN,
} from "./limits.ts";
import { describeTarget, networkError } from "./network-error.ts";
import { type SeenSockets, type Traffic, watchTraffic } from "./traffic.ts";
import { MatrixError } from "./types.ts";

export type Method = "GET" | "POST" | "PUT" | "DELETE";

export interface HttpRequest {
  readonly method: Method;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Until the first byte of the answer; the time to send a long body is added. */
  readonly timeoutMs?: number;
  readonly bytesMax?: number;
  /** An answer that is larger cannot become smaller: the caller's own bound (default: whoever answers is not what was meant, and may change). */
  readonly tooLarge?: "final";
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  header(name: string): string | null;
  readonly body: Buffer;
}

export interface Http {
  exchange(request: HttpRequest): Promise<HttpAnswer>;
  /** Closes idle connections: after a change of network they lead nowhere. */
  dropIdle(): void;
}

export interface HttpOptions {
  readonly timers: Timers;
  /** Ends everything: calls under way reject at once, later ones too, all connections close. */
  readonly signal: AbortSignal;
  /** Certificates (PEM) of the authorities to trust instead of Node's own list. */
  readonly ca?: string;
  /** Told each answer's `Date`, in milliseconds since the epoch: a bound for a device that has no clock of its own. */
  readonly onServerDate?: (dateMs: number) => void;
  /** Told what each exchange moved, when it is over. */
  readonly onTraffic?: (traffic: Traffic) => void;
}

const aborted = (request: HttpRequest): MatrixError =>
  new MatrixError("aborted", `${describeTarget(request.method, request.url)}: given up, we are stopping`, {
    inDoubt: true,
  });

// What can end an exchange from outside, as one signal whose reason is the error to reject with.
interface Fuse {
  readonly signal: AbortSignal;
  arm(delayMs: number): void;
  release(): void;
}

const createFuse = (timers: Timers, request: HttpRequest, ends: readonly AbortSignal[]): Fuse => {
  const controller = new AbortController();
  const end = (): void => controller.abort(aborted(request));
  const late = (): void => {
    const text = `${describeTarget(request.method, request.url)}: no answer in time: the server or the link is too slow, or gone`;
    controller.abort(new MatrixError("network", text, { inDoubt: true }));
  };
  const cancelLast = timers.after(EXCHANGE_MAX_MS, late);
  let cancel = (): void => undefined;
  for (const signal of ends) {
    if (signal.aborted) end();
    signal.addEventListener("abort", end, { once: true });
  }
  return {
    signal: controller.signal,
    arm: (delayMs) => {
      cancel();
      cancel = timers.after(delayMs, late);
    },
    release: () => {
      cancel();
      cancelLast();
      for (const signal of ends) signal.removeEventListener("abort", end);
    },
  };
};

// Whether the request may have reached the server: true from the moment there is a connection to write to.
const watchConnection = (sent: ClientRequest, secure: boolean): (() => boolean) => {
  let connected = false;
  sent.once("socket", (socket) => {
    if (!socket.connecting) connected = true;
    else socket.once(secure ? "secureConnect" : "connect", () => (connected = true));
  });
  return () => connected;
};

const answerOf = (sent: ClientRequest, body: Uint8Array | undefined): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    sent.once("response", resolve);
    // Stays for good: an error after the answer has begun comes through the answer itself.
    sent.on("error", reject);
    sent.end(body);
  });

const tooLarge = (request: HttpRequest, bytesMax: number): MatrixError =>
  new MatrixError(
    request.tooLarge === "final" ? "local" : "unavailable",
    `${describeTarget(request.method, request.url)}: the answer is larger than ${bytesMax} bytes, the most that is taken`,
    request.tooLarge === "final" ? { errcode: "M_TOO_LARGE" } : { inDoubt: true },
  );

const largestBody = (request: HttpRequest, status: number): number => {
  const wanted = request.bytesMax ?? JSON_BYTES_MAX;
  return status < 300 ? wanted : Math.max(wanted, ERROR_BYTES_MAX);
};

const collect = async (
  answer: IncomingMessage,
  request: HttpRequest,
  progress: () => void,
): Promise<Buffer> => {
  const bytesMax = largestBody(request, answer.statusCode ?? 0);
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer) {
    progress();
    // No encoding is set on the answer, so its chunks are Buffers.
    const bytes = chunk as Buffer;
    length += bytes.length;
    if (length > bytesMax) throw tooLarge(request, bytesMax);
    chunks.push(bytes);
  }
  const whole = Buffer.concat(chunks);
  if (answer.headers["content-encoding"] !== "gzip") return whole;
  const plain = await gunzip(whole, bytesMax);
  if (plain === "too-large") throw tooLarge(request, bytesMax);
  return plain;
};

const headerOf =
  (answer: IncomingMessage) =>
  (name: string): string | null => {
    const value = answer.headers[name];
    return (Array.isArray(value) ? value[0] : value) ?? null;
  };

const tellDate = (options: HttpOptions, answer: IncomingMessage): void => {
  const dateMs = Date.parse(answer.headers.date ?? "");
  if (!Number.isNaN(dateMs)) options.onServerDate?.(dateMs);
};

const headersOf = (request: HttpRequest): Record<string, string> => ({
  accept: "*/*",
  // Some firewalls drop requests without one.
  "user-agent": "Petrel",
  "accept-encoding": "gzip",
  ...(request.body === undefined ? {} : { "content-length": String(request.body.length) }),
  ...request.headers,
});

const answerTimeoutMs = (request: HttpRequest): number =>
  (request.timeoutMs ?? ANSWER_TIMEOUT_MS) +
  ((request.body?.length ?? 0) / UPLOAD_BYTES_PER_SECOND_MIN) * 1000;

const KEEP = {
  keepAlive: true,
  maxSockets: SOCKETS_MAX,
  timeout: SOCKET_IDLE_MS,
  autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS,
} as const;

interface Secure {
  readonly open: typeof openHttps;
  readonly agent: HttpsAgent;
}

class HttpClient implements Http {
  readonly #options: HttpOptions;
  readonly #seen: SeenSockets = new WeakMap();
  readonly #plain = new HttpAgent(KEEP);
  /** With TLS, loaded at the first https address. */
  #secure: Secure | null = null;

  constructor(options: HttpOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#close(), { once: true });
  }

  async exchange(request: HttpRequest): Promise<HttpAnswer> {
    const { signal, timers } = this.#options;
    const fuse = createFuse(
      timers,
      request,
      request.signal === undefined ? [signal] : [signal, request.signal],
    );
    let connected = (): boolean => false;
    let moved = (): void => undefined;
    try {
      const secure = request.url.protocol === "https:" ? await this.#secured() : null;
      fuse.signal.throwIfAborted();
      const sent = this.#open(request, secure, fuse.signal);
      connected = watchConnection(sent, secure !== null);
      const { onTraffic } = this.#options;
      if (onTraffic !== undefined) moved = watchTraffic(sent, secure !== null, this.#seen, onTraffic);
      fuse.arm(answerTimeoutMs(request));
      const answer = await answerOf(sent, request.body);
      tellDate(this.#options, answer);
      fuse.arm(BODY_IDLE_MS);
      const body = await collect(answer, request, () => fuse.arm(BODY_IDLE_MS));
      return { status: answer.statusCode ?? 0, header: headerOf(answer), body };
    } catch (cause) {
      if (fuse.signal.aborted) throw fuse.signal.reason;
      throw cause instanceof MatrixError ? cause : networkError(request, cause, connected());
    } finally {
      fuse.release();
      moved();
    }
  }

  dropIdle(): void {
    for (const agent of [this.#plain, this.#secure?.agent])
      for (const socket of Object.values(agent?.freeSockets ?? {}).flat()) socket?.destroy();
  }

  #open(request: HttpRequest, secure: Secure | null, signal: AbortSignal): ClientRequest {
    const common = { method: request.method, headers: headersOf(request), signal };
    return secure === null
      ? openHttp(request.url, { ...common, agent: this.#plain })
      : secure.open(request.url, { ...common, agent: secure.agent });
  }

  async #secured(): Promise<Secure> {
    const { Agent, request } = await import("node:https");
    const { ca } = this.#options;
    this.#secure ??= { open: request, agent: new Agent(ca === undefined ? KEEP : { ...KEEP, ca }) };
    return this.#secure;
  }

  #close(): void {
    this.#plain.destroy();
    this.#secure?.agent.destroy();
  }
}

export const createHttp = (options: HttpOptions): Http => new HttpClient(options);
