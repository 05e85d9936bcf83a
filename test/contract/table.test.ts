// Every row of the project's table "how servers differ" is cited by a row of the contract.
import { expect, it } from "vitest";
import { rows } from "./rows.ts";

const TABLE = [
  "versions",
  "default room version",
  "createRoom v12 with the creator in PL users",
  "power levels read back",
  "login with refresh_token",
  "re-login with the same device_id",
  "same txnId, same device, new token",
  "same txnId after a server restart",
  "same txnId in another room",
  "redact, same txn twice",
  "unsigned.transaction_id",
  "unsigned.age",
  "?ts= by an ordinary user",
  "float, int > 2^53",
  "65,200-byte body",
  "same reaction twice",
  "send to an unknown room",
  "timeline limit",
  "gap",
  "bad since",
  "unknown filter ID",
  "long poll wakes",
  "same since again after a new event",
  "to-device with an old since",
  "150 to-device messages",
  "one-time key count at zero",
  "fallback key",
  "one-time key ID again, other key",
  "identity keys changed",
  "/keys/changes",
  "cross-signing: first, replace",
  "bundled relations",
  "timestamp_to_event, room_summary, custom profile, media v1/create",
  "receipt with an empty body",
  "media over the limit",
  "legacy media download without token",
  "send with a delay parameter (MSC4140)",
  "unknown token",
  "logout during a long poll",
  "/messages after leaving",
  "60 calls at once",
  "429",
];

it.each(TABLE)("the contract states: %s", (title) => {
  expect(rows.filter(({ name }) => name.startsWith(`table, ${title}`))).not.toEqual([]);
});

it("names every row once", () => {
  expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
});
