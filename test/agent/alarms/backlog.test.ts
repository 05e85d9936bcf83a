// An alarm in the middle of a backlog of 24 hours, on a server with Synapse's own limits (0.2 events/s, burst 10): it does not wait behind the readings.
import { expect, it, onTestFinished } from "vitest";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { startTestAgent } from "../whole-agent.ts";

const DAY_S = 86_400;
const PER_EMIT = 600;

/** Noise that no pack makes small, seeded (xorshift). */
const noise = (): (() => number) => {
  let state = 20_261_124;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
};

it("reaches both rooms within one Retry-After", { timeout: 120_000 }, async () => {
  const server = await startHomeserver({ profile: "synapse", rateLimits: "default" });
  onTestFinished(() => server.stop());
  const { password, userId } = await server.addUser("drone");
  const { agent, probe } = await startTestAgent({
    url: server.url,
    userId,
    password,
    // Within events: a file would be one event, and nothing would be refused.
    delivery: "files: never",
    yaml: "channels: { hot: { alarm: { above: 50 } } }\n",
  });
  await server.waitUntil(() => agent.upstream.rooms() !== null, 30_000);
  await server.offline();
  const random = noise();
  const begin = Date.now() - DAY_S * 1000;
  for (let from = 0; from < DAY_S; from += PER_EMIT)
    await probe.emit(
      Array.from({ length: PER_EMIT }, (_, at) => ({
        name: "n",
        value: random(),
        timeMs: begin + (from + at) * 1000,
      })),
    );
  await server.online();
  const limited = (): number => agent.upstream.sender()?.counters.failures().get("limited") ?? 0;
  await server.waitUntil(() => limited() > 0, 60_000);

  const all = () => [...server.world.rooms.keys()].flatMap((roomId) => server.events(roomId));
  const telemetry = () => all().filter(({ type }) => type === "dev.petrel.telemetry");
  const [before, refused] = [telemetry().length, limited()];
  expect(agent.journal.depth().readings).toBeGreaterThan(DAY_S / 4);
  await probe.emit([{ name: "hot", value: 99 }]);
  const event = () => all().find(({ type }) => type === "dev.petrel.alarm");
  const message = () => all().find(({ content }) => String(content["body"] ?? "").startsWith("⚠"));
  await server.waitUntil(() => event() !== undefined && message() !== undefined, 60_000);
  // The first of the two goes at the end of the wait that the server asked for; what was on its way may come before them, nothing else of the backlog. The
  // rate that the first refusal taught may be too high, then the second of them is refused in its turn.
  const toldMs = Math.max(event()?.originServerTs ?? 0, message()?.originServerTs ?? 0);
  const ahead = telemetry().filter(({ originServerTs }) => originServerTs <= toldMs).length - before;
  expect(ahead).toBeLessThanOrEqual(2);
  expect(limited() - refused).toBeLessThanOrEqual(3);
});
