// The scenarios that need no fault injection, on the loopback homeserver.
import { afterAll, beforeAll, describe, vi } from "vitest";
import { type Homeserver, startHomeserver } from "#test/homeserver/homeserver.ts";
import { runScenarios } from "./plain.ts";

// Many round trips each, on a machine that may be four times slower and busy.
vi.setConfig({ testTimeout: 120_000 });

describe("on a server like synapse", () => {
  let server: Homeserver;
  beforeAll(async () => {
    server = await startHomeserver({ profile: "synapse" });
  });
  afterAll(() => server.stop());
  runScenarios(() => server);
});
