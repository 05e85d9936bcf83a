// `encryption.trusted`: a master key that a person compared and wrote into petrel.yaml makes its user verified; another one under that name does not.
import { expect, it, onTestFinished } from "vitest";
import { type EncryptedClient, startEncryptedClient } from "#scripts/demo/encrypted-client.ts";
import { startHomeserver } from "#test/homeserver/homeserver.ts";
import { startTestAgent, type TestAgent } from "../whole-agent.ts";

interface Site {
  readonly operator: string;
  readonly alice: EncryptedClient;
  /** With this key pinned for the operator, and verified users only. */
  start(masterKey: string): Promise<TestAgent>;
}

const site = async (): Promise<Site> => {
  const server = await startHomeserver();
  onTestFinished(() => server.stop());
  const { password, userId } = await server.addUser("drone");
  const operator = await server.addUser("alice");
  const alice = await startEncryptedClient({ url: server.url, ...operator });
  onTestFinished(() => alice.stop());
  const start = (masterKey: string): Promise<TestAgent> =>
    startTestAgent({
      url: server.url,
      userId,
      password,
      operators: [operator.userId],
      yaml: `encryption: { enabled: true, strategy: verified, trusted: { "${operator.userId}": "${masterKey}" } }`,
    });
  return { operator: operator.userId, alice, start };
};

const masterKeyOf = async ({ alice, operator }: Site): Promise<string> => {
  const key = await alice.engine.identity().calls((calls) => calls.masterKey(operator));
  return key ?? expect.fail("the operator's client has no identity");
};

const until = async (condition: () => boolean): Promise<void> => {
  for (const end = performance.now() + 25_000; !condition() && performance.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 20));
  expect(condition()).toBe(true);
};

const statusOf = ({ operator }: Site, { agent }: TestAgent): Promise<string> =>
  agent.upstream
    .engine()
    ?.identity()
    .calls((calls) => calls.identityStatus(operator)) ?? Promise.reject(new Error("no engine"));

const hasRead = ({ alice }: Site): boolean =>
  alice.events.some(({ event, opened }) => event.type === "m.room.message" && opened !== undefined);

it("the user of a pinned master key is verified, and reads where only verified users do", async () => {
  const here = await site();
  const running = await here.start(await masterKeyOf(here));
  await until(() => hasRead(here));
  expect(await statusOf(here, running)).toBe("verified");
});

it("a user whose master key is not the pinned one is not verified, reads nothing, and a person is told", async () => {
  const here = await site();
  const own = await masterKeyOf(here);
  const running = await here.start(own.replace(/^./, (first) => (first === "A" ? "B" : "A")));
  const isTold = (): boolean =>
    running.log.some(
      ({ fields, message }) =>
        fields["member"] === here.operator && message.includes("can be read by this member"),
    );
  await until(isTold);
  expect(await statusOf(here, running)).not.toBe("verified");
  expect(hasRead(here)).toBe(false);
});
