// Who may connect to the embedded broker, and who may publish and read what. Pure: no socket, no library.
import { createHash, timingSafeEqual } from "node:crypto";
import { revealed } from "../secret.ts";
import { compileFilter, filterCovers, isTopic, isTopicFilter, type TopicMatcher } from "../topic.ts";
import type { BrokerOptions, BrokerUser } from "./options.ts";

/** What a connected client may do. */
export interface Grant {
  readonly user: string;
  mayPublish(topic: string): boolean;
  maySubscribe(filter: string): boolean;
}

export interface Access {
  /** The grant of whoever connects, or null when the login is wrong. */
  login(user: string | undefined, password: Uint8Array | undefined): Grant | null;
}

const hashed = (secret: string | Uint8Array): Buffer => createHash("sha256").update(secret).digest();

// Topics that begin with $ are the broker's own (MQTT 3.1.1 section 4.7.2).
const grantOf = (user: string, publish: readonly string[], subscribe: readonly string[]): Grant => {
  const writable: readonly TopicMatcher[] = publish.map(compileFilter);
  return {
    user,
    mayPublish: (topic) =>
      isTopic(topic) && !topic.startsWith("$") && writable.some((matches) => matches(topic)),
    maySubscribe: (filter) => isTopicFilter(filter) && subscribe.some((rule) => filterCovers(rule, filter)),
  };
};

interface Account {
  readonly hash: Buffer;
  readonly grant: Grant;
}

const accountOf = ({ name, password, publish, subscribe }: BrokerUser, driver: string): Account => ({
  hash: hashed(revealed(password, `drivers.${driver}.users.${name}.password`) ?? ""),
  grant: grantOf(name, publish, subscribe),
});

/** An unknown user costs as much time as a wrong password. */
const NOBODY: Buffer = hashed("");

export const createAccess = (options: BrokerOptions, driver: string): Access => {
  if (options.users.length === 0) {
    const everybody = grantOf("anonymous", ["#"], ["#"]);
    return { login: () => everybody };
  }
  const accounts = new Map(options.users.map((user) => [user.name, accountOf(user, driver)]));
  return {
    login: (user, password) => {
      const account = user === undefined ? undefined : accounts.get(user);
      const same = timingSafeEqual(account?.hash ?? NOBODY, hashed(password ?? ""));
      return account !== undefined && same ? account.grant : null;
    },
  };
};
