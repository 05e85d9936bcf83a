// One exchange: what comes back, what ends it, and that each failure below Matrix is one clear line.
import { getEventListeners } from "node:events";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { createHttp, type HttpRequest } from "#agent/matrix/http.ts";
import { EXCHANGE_MAX_MS } from "#agent/matrix/limits.ts";
import { networkError } from "#agent/matrix/network-error.ts";
import { eventually, failureOf, testHttp, testRuntime } from "./support.ts";
import { certificate, closedPort, plainServer, secureServer, tcpServer } from "./throwaway-server.ts";

const get = (url: string, more: Partial<HttpRequest> = {}): HttpRequest => ({
  method: "GET",
  url: new URL(url),
  ...more,
});

describe("an exchange", () => {
  it("gives status, headers and body, and sends what it was given", async () => {
    const url = await plainServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        response.writeHead(418, { "X-Seen": `${request.method} ${request.url} ${request.headers["x-a"]}` });
        response.end(Buffer.concat(chunks));
      });
    });
    const body = Buffer.from("böse");
    const answer = await testHttp().exchange({
      method: "PUT",
      url: new URL(`${url}/p?q=1`),
      headers: { "x-a": "b" },
      body,
    });
    expect(answer.status).toBe(418);
    expect(answer.header("x-seen")).toBe("PUT /p?q=1 b");
    expect(answer.body.toString()).toBe("böse");
  });

  it("unpacks a compressed answer", async () => {
    const url = await plainServer((_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync('{"a":1}'));
    });
    expect((await testHttp().exchange(get(url))).body.toString()).toBe('{"a":1}');
  });

  it("refuses an answer that is too large, packed or not", async () => {
    const url = await plainServer((request, response) => {
      const packed = request.url === "/packed";
      response.writeHead(200, packed ? { "content-encoding": "gzip" } : {});
      response.end(packed ? gzipSync(Buffer.alloc(100_000)) : Buffer.alloc(100_000));
    });
    for (const path of ["/plain", "/packed"]) {
      const error = await failureOf(testHttp().exchange(get(url + path, { bytesMax: 10_000 })));
      expect(error.kind).toBe("unavailable");
      expect(error.message).toContain("larger than 10000 bytes");
    }
  });

  it("uses one connection for one request after the other", async () => {
    const ports = new Set<number | undefined>();
    const url = await plainServer((request, response) => {
      ports.add(request.socket.remotePort);
      response.end("{}");
    });
    const http = testHttp();
    for (let n = 0; n < 5; n += 1) await http.exchange(get(url));
    expect(ports.size).toBe(1);
  });

  it("opens a new connection once told that idle ones lead nowhere", async () => {
    const ports = new Set<number | undefined>();
    const url = await plainServer((request, response) => {
      ports.add(request.socket.remotePort);
      response.end("{}");
    });
    const http = testHttp();
    await http.exchange(get(url));
    await eventually(() => {
      http.dropIdle();
      return true;
    });
    await http.exchange(get(url));
    expect(ports.size).toBe(2);
  });

  it("tells the server's date", async () => {
    const url = await plainServer((_request, response) => {
      response.writeHead(200, { date: "Tue, 24 Nov 2026 12:00:00 GMT" }).end("{}");
    });
    const dates: number[] = [];
    const stop = new AbortController();
    const http = createHttp({
      timers: testRuntime().timers,
      signal: stop.signal,
      onServerDate: (date) => dates.push(date),
    });
    await http.exchange(get(url));
    expect(dates).toEqual([Date.UTC(2026, 10, 24, 12)]);
    stop.abort();
  });
});

describe("an exchange is ended", () => {
  const hangs = (): Promise<string> => plainServer(() => undefined);

  it("at once when the client ends, and refused after", async () => {
    const stop = new AbortController();
    const http = createHttp({ timers: testRuntime().timers, signal: stop.signal });
    const url = await hangs();
    const failure = failureOf(http.exchange(get(url)));
    const began = performance.now();
    setImmediate(() => stop.abort());
    expect((await failure).kind).toBe("aborted");
    expect((await failureOf(http.exchange(get(url)))).kind).toBe("aborted");
    expect(performance.now() - began).toBeLessThan(300);
  });

  it("at once by its own signal, while others go on", async () => {
    const http = testHttp();
    const url = await plainServer((request, response) => {
      if (request.url === "/answers") response.end("{}");
    });
    const own = new AbortController();
    const failure = failureOf(http.exchange(get(`${url}/hangs`, { signal: own.signal })));
    own.abort();
    expect((await failure).kind).toBe("aborted");
    expect((await http.exchange(get(`${url}/answers`))).status).toBe(200);
  });

  it("in the middle of a body, too", async () => {
    const http = testHttp();
    const url = await plainServer((_request, response) => {
      response.writeHead(200, { "content-length": 100 }).write("{");
    });
    const own = new AbortController();
    const failure = failureOf(http.exchange(get(url, { signal: own.signal })));
    setTimeout(() => own.abort(), 20);
    expect((await failure).kind).toBe("aborted");
  });

  it("when no answer comes in time, in doubt", async () => {
    const error = await failureOf(testHttp().exchange(get(await hangs(), { timeoutMs: 30 })));
    expect(error).toMatchObject({ kind: "network", inDoubt: true });
    expect(error.message).toContain("no answer in time");
  });

  it.each(["", "{"])("when a body stands still after %j", async (begin) => {
    const url = await plainServer((_request, response) => {
      response.writeHead(200, { "content-length": 100 });
      response.flushHeaders();
      if (begin !== "") response.write(begin);
    });
    const began = performance.now();
    const error = await failureOf(testHttp({ hurry: 100 }).exchange(get(url, { timeoutMs: 1e9 })));
    expect(error).toMatchObject({ kind: "network", inDoubt: true });
    // A hundredth of BODY_IDLE_MS is 0.3 s, of EXCHANGE_MAX_MS 9 s.
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it("and leaves nothing behind on the signals", async () => {
    const url = await plainServer((_request, response) => response.end("{}"));
    const stop = new AbortController();
    const own = new AbortController();
    const http = createHttp({ timers: testRuntime().timers, signal: stop.signal });
    await http.exchange(get(url, { signal: own.signal }));
    const before = getEventListeners(stop.signal, "abort").length;
    for (let n = 0; n < 5; n += 1) await http.exchange(get(url, { signal: own.signal }));
    expect(getEventListeners(stop.signal, "abort").length).toBe(before);
    expect(getEventListeners(own.signal, "abort")).toEqual([]);
    stop.abort();
  });
});

it("an exchange that trickles on ends at its longest, whatever comes", async () => {
  const url = await plainServer((_request, response) => {
    const trickle = setInterval(() => response.write(" "), 5);
    response.on("close", () => clearInterval(trickle));
  });
  const { after } = testRuntime().timers;
  const never = (): void => undefined;
  const stop = new AbortController();
  const http = createHttp({
    timers: { after: (delayMs, late) => (delayMs === EXCHANGE_MAX_MS ? after(50, late) : never) },
    signal: stop.signal,
  });
  expect(await failureOf(http.exchange(get(url)))).toMatchObject({ kind: "network", inDoubt: true });
  stop.abort();
});

describe("a failure below Matrix is one line that says what to do", () => {
  it("when nobody listens: not in doubt", async () => {
    const error = await failureOf(
      testHttp().exchange(get(`${await closedPort()}/_matrix/client/versions?secret=1`)),
    );
    expect(error).toMatchObject({ kind: "network", inDoubt: false });
    expect(error.message).toMatch(
      /^GET http:\/\/127\.0\.0\.1:\d+\/_matrix\/client\/versions: connection refused: is the homeserver running/,
    );
    expect(error.message).not.toContain("secret");
  });

  it("when the connection is cut before the answer, and within it: in doubt", async () => {
    for (const begin of ["", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"]) {
      const url = await tcpServer((socket) => {
        socket.once("data", () => socket.end(begin));
      });
      const error = await failureOf(testHttp().exchange(get(url)));
      expect(error).toMatchObject({ kind: "network", inDoubt: true });
      expect(error.message).toContain("was cut");
    }
  });

  it("when something else than HTTP answers", async () => {
    const url = await tcpServer((socket) => {
      socket.once("data", () => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
    });
    const error = await failureOf(testHttp().exchange(get(url)));
    expect(error.message).toContain("does not speak HTTP");
  });

  it("when the certificate is signed by nobody known here", async () => {
    const error = await failureOf(
      testHttp().exchange(get(`https://${await secureServer(() => undefined)}/`)),
    );
    expect(error).toMatchObject({ kind: "network", inDoubt: false });
    expect(error.message).toContain("certificate is not signed by an authority known here");
  });

  it("when the certificate is for another name", async () => {
    const url = (await secureServer(() => undefined)).replace("localhost", "127.0.0.1");
    const error = await failureOf(testHttp({ ca: certificate }).exchange(get(`https://${url}/`)));
    expect(error.message).toContain("certificate is for another name");
  });

  it("when TLS is spoken to a plain port", async () => {
    const url = await plainServer(() => undefined);
    const error = await failureOf(testHttp().exchange(get(url.replace("http:", "https:"))));
    expect(error.message).toContain("http:// instead of https://");
  });

  it("when the compressed answer is broken", async () => {
    const url = await plainServer((_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end("no gzip");
    });
    expect((await failureOf(testHttp().exchange(get(url)))).message).toContain("compressed and broken");
  });

  it.each([
    ["ENOTFOUND", "not known to DNS"],
    ["EAI_AGAIN", "DNS does not answer"],
    ["ENETUNREACH", "the network cannot be reached"],
    ["CERT_NOT_YET_VALID", "clock"],
    ["CERT_HAS_EXPIRED", "expired"],
    ["EWHATEVER", "EWHATEVER"],
  ])("when the system says %s", (code, expected) => {
    const request = get("https://hs.example/_matrix");
    const error = networkError(request, Object.assign(new Error("noise"), { code }), false);
    expect(error.message).toContain("https://hs.example/_matrix");
    expect(error.message).toContain(expected);
  });
});
