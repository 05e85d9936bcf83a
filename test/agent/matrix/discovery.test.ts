// From a server name or a URL to a homeserver, with each way in which that goes wrong.
import type { RequestListener } from "node:http";
import { describe, expect, it } from "vitest";
import { discover, parseBaseUrl } from "#agent/matrix/discovery.ts";
import { failureOf, homeserver, testHttp } from "./support.ts";
import { certificate, plainServer, secureServer } from "./throwaway-server.ts";

const trusting = () => testHttp({ ca: certificate });

/** A server name whose well-known file is answered by `listener`. */
const wellKnown = (listener: RequestListener): Promise<string> => secureServer(listener);

const json =
  (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): RequestListener =>
  (_request, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  };

describe("a base URL", () => {
  it("is taken as it stands, without its last slash", async () => {
    const { url } = await homeserver();
    expect(await discover(testHttp(), `${url}/`)).toBe(url);
  });

  it("that answers with HTML is refused with a hint", async () => {
    const url = await plainServer((_request, response) => response.end("<html>hello</html>"));
    const error = await failureOf(discover(testHttp(), url));
    expect(error.message).toContain("HTML page");
    expect(error.message).toContain("Is this the homeserver's address?");
  });

  it("that answers with other JSON is refused with a hint", async () => {
    const url = await plainServer(json(200, { hello: "world" }));
    expect((await failureOf(discover(testHttp(), url))).message).toContain("not as a Matrix homeserver");
  });

  it.each([
    ["https://hs.example/", "https://hs.example"],
    ["https://hs.example/matrix//", "https://hs.example/matrix"],
    ["http://127.0.0.1:8008", "http://127.0.0.1:8008"],
    ["https://user:password@hs.example", null],
    ["ftp://hs.example", null],
    ["hs.example", null],
  ])("%s is read as %s", (text, expected) => {
    expect(parseBaseUrl(text)).toBe(expected);
  });
});

describe("a server name", () => {
  it("leads to the base URL in its well-known file", async () => {
    const { url } = await homeserver();
    const name = await wellKnown((request, response) =>
      json(request.url === "/.well-known/matrix/client" ? 200 : 404, {
        "m.homeserver": { base_url: `${url}/` },
      })(request, response),
    );
    expect(await discover(trusting(), name)).toBe(url);
  });

  it("leads there through redirects, relative ones too", async () => {
    const { url } = await homeserver();
    const name = await wellKnown((request, response) => {
      if (request.url === "/.well-known/matrix/client")
        json(302, {}, { location: "/one" })(request, response);
      else if (request.url === "/one") json(308, {}, { location: `https://${name}/two` })(request, response);
      else json(200, { "m.homeserver": { base_url: url } })(request, response);
    });
    expect(await discover(trusting(), name)).toBe(url);
  });

  it("is the address itself where there is no such file", async () => {
    const name = await wellKnown((request, response) =>
      json(request.url === "/_matrix/client/versions" ? 200 : 404, { versions: ["v1.1"] })(request, response),
    );
    expect(await discover(trusting(), name)).toBe(`https://${name}`);
  });

  it("is an error where the redirects go in circles, or leave https", async () => {
    const circle = await wellKnown(json(302, {}, { location: "/.well-known/matrix/client" }));
    expect((await failureOf(discover(trusting(), circle))).message).toContain("more than 5 redirects");
    const leaves = await wellKnown(json(302, {}, { location: "http://127.0.0.1/" }));
    expect((await failureOf(discover(trusting(), leaves))).message).toContain("expected an https:// address");
  });

  it.each([
    ["status 500", 500, {}, "expected status 200 or 404, got 500"],
    ["a file without a base URL", 200, { "m.homeserver": {} }, "m.homeserver.base_url"],
    ["a base URL that is none", 200, { "m.homeserver": { base_url: "hello" } }, "m.homeserver.base_url"],
    ["a file that is no object", 200, null, "expected a JSON object"],
  ])("is an error that names the place for %s", async (_name, status, body, expected) => {
    const name = await wellKnown(json(status, body));
    const { message, kind } = await failureOf(discover(trusting(), name));
    expect(message).toContain(`https://${name}/.well-known/matrix/client`);
    expect(message).toContain(expected);
    expect(kind).toBe("refused");
  });

  it.each(["", "two words", "a/b", "https://"])("is refused when it is written %j", async (text) => {
    const error = await failureOf(discover(testHttp(), text));
    expect(error.kind).toBe("local");
    expect(error.message).toContain("expected a server name");
  });
});
