// `encryption.rotation`: its bounds, and the keys of a running agent.
import { describe, expect, it, onTestFinished } from "vitest";
import { encryptionSchema } from "#agent/encryption/schema.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { startTestAgent } from "../whole-agent.ts";

describe("the configuration", () => {
  const parsed = (rotation: unknown) => encryptionSchema.safeParse({ rotation });

  it("says nothing by default, and the specification's recommendation where it says half", () => {
    expect(encryptionSchema.parse({}).rotation).toBeUndefined();
    expect(encryptionSchema.parse({ rotation: { messages: 50 } }).rotation).toEqual({
      messages: 50,
      period: 604_800_000,
    });
  });

  it.each([
    { messages: 0 },
    { messages: 10_001 },
    { messages: 1.5 },
    { period: "59m" },
    { period: "31d" },
    { period: 3_600_000 },
    { weekly: true },
  ])("is refused with %o", (rotation) => expect(parsed(rotation).success).toBe(false));

  it.each([
    { messages: 1, period: "1h" },
    { messages: 10_000, period: "30d" },
  ])("is taken with %o", (rotation) => expect(parsed(rotation).success).toBe(true));
});

describe("a running agent", () => {
  it("makes a new key after as many events as are configured", async () => {
    const server = await startHomeserver({ profile: "synapse" });
    onTestFinished(() => server.stop());
    const { password, userId } = await server.addUser("drone");
    const running = await startTestAgent({
      url: server.url,
      userId,
      password,
      yaml: "encryption: { rotation: { messages: 2 } }",
    });
    await server.waitUntil(() => running.agent.upstream.rooms() !== null);
    const data = running.agent.upstream.rooms()?.data.roomId ?? "";
    const sessions = (): unknown[] =>
      server
        .events(data)
        .filter(({ type }) => type === "m.room.encrypted")
        .map(({ content }) => content["session_id"]);
    for (let count = 1; count <= 6; count += 1) {
      await running.probe.emit([{ name: "n", value: count }]);
      await server.waitUntil(() => sessions().length >= count);
    }
    const uses = Map.groupBy(sessions(), (session) => session);
    expect(Math.max(...[...uses.values()].map((used) => used.length))).toBe(2);
  });
});
