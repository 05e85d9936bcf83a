import fc from "fast-check";
import { expect, it } from "vitest";
import { createAckQueue } from "#drivers/mqtt/acks.ts";
import { encodeAck } from "#drivers/mqtt/wire.ts";

it("encodes PUBACK and PUBREC (MQTT 3.1.1 sections 3.4 and 3.5)", () => {
  expect([...encodeAck(1, 0x1234)]).toEqual([0x40, 2, 0x12, 0x34]);
  expect([...encodeAck(2, 1)]).toEqual([0x50, 2, 0, 1]);
});

it("sends acknowledgements in the order of arrival, each once, in whatever order they become ready", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.infiniteStream(fc.nat()), async (count, picks) => {
      const sent: number[] = [];
      const queue = createAckQueue((bytes) => {
        for (let at = 0; at < bytes.length; at += 4)
          sent.push(((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
      });
      const ids = Array.from({ length: count }, (_, index) => index + 1);
      const ready = ids.map((id) => ({ id, release: queue.hold(1, id) }));
      const released = new Set<number>();
      while (ready.length > 0) {
        const [next] = ready.splice(picks.next().value % ready.length, 1);
        next?.release();
        next?.release();
        released.add(next?.id ?? 0);
        await Promise.resolve();
        const expected = ids.slice(
          0,
          ids.findIndex((id) => !released.has(id)),
        );
        if (released.size < count) expect(sent).toEqual(expected);
      }
      await Promise.resolve();
      expect(sent).toEqual(ids);
      expect(queue.held()).toBe(0);
    }),
  );
});

it("sends what is ready together in one write", async () => {
  const writes: number[] = [];
  const queue = createAckQueue((bytes) => void writes.push(bytes.length));
  const releases = [1, 2, 3].map((id) => queue.hold(1, id));
  for (const release of releases) release();
  await Promise.resolve();
  expect(writes).toEqual([12]);
});
