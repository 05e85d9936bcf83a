// A verification that begins with its start, as matrix-nio's and older clients' do: no request, no ready, and no done at its end. The one side is a machine of
// ours whose other messages are kept from the other side.
import { expect, it, onTestFinished } from "vitest";
import type { Verification } from "#crypto/machine/verification/calls.ts";
import { makePair } from "../support/server.ts";
import type { Ours } from "../support/world.ts";

const NEVER_SAID = ["request", "done"].map((name) => `m.key.verification.${name}`);

it("is over with the MACs", () => {
  const { alice, bob, server } = makePair();
  onTestFinished(() => server.settle());
  const newest = (of: Ours): Verification => {
    const found = of.in((calls) => calls.verifications()).at(-1);
    if (found === undefined) throw new Error("no verification");
    return found;
  };
  let delivered = server.sent.length;
  const flow = (): void => {
    for (;;) {
      server.settle();
      const fresh = server.sent.slice(delivered);
      delivered = server.sent.length;
      if (fresh.length === 0) return;
      for (const { event, to } of fresh)
        if (to !== bob || !NEVER_SAID.includes(String(event["type"])))
          to.in((calls) => calls.receiveToDevice([event]));
    }
  };
  alice.in((calls) => calls.requestVerification(bob.config.userId));
  flow();
  const ready = {
    transaction_id: alice.store.get("verification", "", newest(alice).id)?.flowId ?? "",
    from_device: bob.config.deviceId,
    methods: ["m.sas.v1"],
  };
  const event = { type: "m.key.verification.ready", sender: bob.config.userId, content: ready };
  alice.in((calls) => calls.receiveToDevice([event]));
  alice.in((calls) => calls.startSas(newest(alice).id));
  flow();
  expect(newest(bob).phase).toBe("asked");
  bob.in((calls) => calls.acceptVerification(newest(bob).id));
  flow();
  expect(newest(bob).phase).toBe("compare");
  for (const ours of [alice, bob]) ours.in((calls) => calls.confirmVerification(newest(ours).id));
  flow();
  const over = newest(bob);
  if (over.phase !== "done") expect.fail(`expected it to be done, found ${over.phase}`);
  expect(over.verified.deviceId).toBe(alice.config.deviceId);
});
