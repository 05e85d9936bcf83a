// What an answer means: errors of the specification, and the bodies that servers and proxies send instead.
import { describe, expect, it } from "vitest";
import { parseAnswer } from "#agent/matrix/answer.ts";
import type { HttpAnswer } from "#agent/matrix/http.ts";
import { MatrixError } from "#agent/matrix/types.ts";

const asked = {
  method: "PUT",
  url: new URL("https://hs.example/_matrix/x?y=z"),
  secrets: ["syt_secret"],
} as const;

const answer = (
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer => ({
  status,
  header: (name) => headers[name] ?? null,
  body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
});

const errorOf = (...given: Parameters<typeof answer>): MatrixError => {
  try {
    parseAnswer(asked, answer(...given));
  } catch (error) {
    if (error instanceof MatrixError) return error;
  }
  throw new Error("expected a MatrixError");
};

describe("a good answer", () => {
  it("is its JSON object; nothing and null stand for an empty one", () => {
    expect(parseAnswer(asked, answer(200, { a: 1 }))).toEqual({ a: 1 });
    expect(parseAnswer(asked, answer(200, ""))).toEqual({});
    expect(parseAnswer(asked, answer(200, "null"))).toEqual({});
  });

  it.each([
    ["an HTML page", "<!DOCTYPE html><html>Wi-Fi login</html>", "HTML page"],
    ["broken JSON", '{"event_id":', "no JSON object"],
    ["a list", "[1]", "no JSON object"],
  ])("that is %s is none: unavailable, in doubt", (_name, body, expected) => {
    const error = errorOf(200, body);
    expect(error).toMatchObject({ kind: "unavailable", status: 200, inDoubt: true });
    expect(error.message).toContain(expected);
  });
});

describe("a refusal", () => {
  it("keeps errcode, status and the server's sentence", () => {
    const error = errorOf(403, { errcode: "M_FORBIDDEN", error: "You are not in the room" });
    expect(error).toMatchObject({ kind: "refused", status: 403, errcode: "M_FORBIDDEN", inDoubt: false });
    expect(error.message).toBe(
      "PUT https://hs.example/_matrix/x: status 403 M_FORBIDDEN: You are not in the room",
    );
  });

  it.each([
    [400, {}, "refused"],
    [404, { errcode: "M_UNRECOGNIZED" }, "refused"],
    [413, "<html>413 Request Entity Too Large</html>", "refused"],
    [429, { errcode: "M_LIMIT_EXCEEDED" }, "limited"],
    [429, "slow down", "limited"],
    [401, { errcode: "M_UNKNOWN_TOKEN" }, "auth"],
    [401, { errcode: "M_MISSING_TOKEN" }, "auth"],
    [401, { flows: [], session: "s" }, "refused"],
    [401, { errcode: "M_USER_LOCKED", soft_logout: true }, "refused"],
    [500, { errcode: "M_UNKNOWN" }, "unavailable"],
    [500, "null", "unavailable"],
    [502, "<html>Bad Gateway</html>", "unavailable"],
    [404, "<html>Not Found</html>", "unavailable"],
    [302, "", "refused"],
  ] as const)("with status %i and body %j is of kind %s", (status, body, kind) => {
    expect(errorOf(status, body).kind).toBe(kind);
  });

  it("says of an expired token that the device is kept; an absent field means that it is not", () => {
    expect(errorOf(401, { errcode: "M_UNKNOWN_TOKEN", soft_logout: true }).softLogout).toBe(true);
    expect(errorOf(401, { errcode: "M_UNKNOWN_TOKEN" }).softLogout).toBe(false);
  });

  it("keeps the server's JSON for interactive authentication, out of sight of a log", () => {
    const error = errorOf(401, { session: "abc", flows: [{ stages: ["m.login.password"] }] });
    expect(error.body).toMatchObject({ session: "abc" });
    expect(JSON.stringify(error)).not.toContain("abc");
    expect(Object.keys(error)).not.toContain("body");
  });

  it("shows no secret that the server repeats, no control characters, and no endless text", () => {
    const error = errorOf(403, { errcode: "M_X", error: `token syt_secret\n\u001b[31m${"x".repeat(5000)}` });
    expect(error.message).not.toContain("syt_secret");
    expect(error.message).toMatch(/^\P{Cc}{0,400}$/u);
  });
});

describe("a limit", () => {
  it.each([
    ["seconds in the header", { "retry-after": "5" }, { retry_after_ms: 4757 }, 5000],
    [
      "a date in the header, by the server's own clock",
      { "retry-after": "Tue, 24 Nov 2026 12:01:30 GMT", date: "Tue, 24 Nov 2026 12:00:00 GMT" },
      {},
      90_000,
    ],
    ["milliseconds in the body alone", {}, { retry_after_ms: 500 }, 500],
    ["nothing", {}, {}, null],
    ["nonsense", { "retry-after": "soon" }, { retry_after_ms: "x" }, null],
    [
      "a date long past",
      { "retry-after": "Tue, 24 Nov 2020 12:00:00 GMT", date: "Tue, 24 Nov 2026 12:00:00 GMT" },
      {},
      0,
    ],
    ["a year", { "retry-after": "31536000" }, {}, 3_600_000],
  ])("read from %s", (_name, headers, body, expected) => {
    expect(errorOf(429, { errcode: "M_LIMIT_EXCEEDED", ...body }, headers).retryAfterMs).toBe(expected);
  });
});
