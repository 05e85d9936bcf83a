import { describe, expect, it } from "vitest";
import { parseEndpoint } from "#drivers/mqtt/options.ts";
import { mqtt } from "#drivers/mqtt.ts";

const problems = (options: Record<string, unknown>): string =>
  mqtt.schema
    .safeParse({ url: "mqtt://broker", client_id: "edge", ...options })
    .error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`)
    .join("\n") ?? "";

describe("the options of mqtt", () => {
  it("are few for the common case", () => {
    expect(
      mqtt.schema.parse({ url: "mqtt://broker", client_id: "edge", subscriptions: [{ filter: "home/#" }] }),
    ).toMatchObject({
      version: "3.1.1",
      clean: false,
      subscriptions: [{ filter: "home/#", qos: 1, format: "auto", retained: "accept" }],
    });
  });

  it.each([
    [{ client_id: undefined }, /^client_id: expected a client_id of its own/],
    [{ url: "http://broker" }, /^url: expected mqtt:/],
    [{ url: "mqtt://user:secret@broker" }, /^url: .*without user and password/],
    [{ password: "x" }, /^username: expected a username/],
    [{ tls: {} }, /^url: expected an mqtts/],
    [{ url: "mqtts://broker", tls: { cert: "a.pem" } }, /^tls: expected cert and key together/],
    [{ subscriptions: [{ filter: "a/#/b" }] }, /^subscriptions\.0\.filter: expected an MQTT topic filter/],
    [{ subscriptions: [{ filter: "a" }, { filter: "a" }] }, /^subscriptions: expected each filter once/],
  ])("refuse %j", (options, expected) => {
    expect(problems(options)).toMatch(expected);
  });

  it("take a password by reference or resolved, and refuse to run on an unresolved one", () => {
    expect(problems({ username: "u", password: { env: "MQTT_PASSWORD" } })).toBe("");
    expect(problems({ username: "u", password: "resolved" })).toBe("");
  });
});

it.each([
  ["mqtt://broker", { host: "broker", port: 1883, secure: false }],
  ["mqtts://broker/", { host: "broker", port: 8883, secure: true }],
  ["mqtt://[::1]:2000", { host: "::1", port: 2000, secure: false, shown: "mqtt://[::1]:2000" }],
])("finds the broker of %s", (url, endpoint) => {
  expect(parseEndpoint(url)).toMatchObject(endpoint);
});
