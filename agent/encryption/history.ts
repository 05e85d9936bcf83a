// A room's history (MSC4268): its keys for somebody whom the agent invites, and those of a room that the agent joins by an invitation. The machine says what may
// be given and what is believed (crypto/machine/history); here it is uploaded and fetched, a slice a transaction.

import { asList, asObject, asString, field } from "#agent/matrix/json.ts";
import { type JsonObject, type MatrixClient, MatrixError } from "#agent/matrix/types.ts";
import { downloadAttachment, type MediaAccess, uploadAttachment } from "#agent/media/attachment.ts";
import type { Runtime } from "#agent/runtime.ts";
import type { Store } from "#agent/store/store.ts";
import { CryptoError } from "#crypto/errors.ts";
import {
  type BundlePart,
  encodeBundle,
  type ReadBundle,
  readBundle,
  readRefusal,
} from "#crypto/machine/history/bundle.ts";
import { BUNDLE_BYTES_MAX, BUNDLE_SLICE } from "#crypto/machine/history/limits.ts";
import type { WantedHistory } from "#crypto/machine/history/receive.ts";
import { nodeProvider } from "#crypto/provider/node.ts";
import type { Access } from "./access.ts";
import { SHARE_ROUNDS_MAX } from "./limits.ts";
import type { Pump } from "./pump.ts";
import { expectsHistory } from "./tables.ts";

export interface HistoryOptions {
  readonly access: Access;
  readonly client: MatrixClient;
  readonly pump: Pick<Pump, "settle">;
  readonly runtime: Runtime;
  readonly store: Store;
}

/** What somebody was given: keys, and how many devices know where they are. */
export interface Given {
  readonly sessions: number;
  readonly devices: number;
}

const INVITE_FILTER: JsonObject = {
  presence: { not_types: ["*"] },
  account_data: { not_types: ["*"] },
  room: {
    timeline: { limit: 0 },
    state: { not_types: ["*"] },
    ephemeral: { not_types: ["*"] },
    account_data: { not_types: ["*"] },
  },
};

export class History {
  readonly #options: HistoryOptions;
  readonly #aborter = new AbortController();
  #running: Promise<void> | null = null;

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  async stop(): Promise<void> {
    this.#aborter.abort();
    await this.#running;
  }

  /** Before the invitation. Rejects with a `MachineError` where nothing may be shared, a `MatrixError` where the file does not get to the server. */
  async give(roomId: string, userId: string): Promise<Given> {
    const { access, pump } = this.#options;
    const parts = await this.#parts(roomId);
    const bundle = encodeBundle(parts);
    if (bundle === null) return { sessions: 0, devices: 0 };
    const bytes = new TextEncoder().encode(JSON.stringify(bundle));
    if (bytes.length > BUNDLE_BYTES_MAX)
      throw new MatrixError(
        "local",
        `history: the keys of ${roomId} take ${bytes.length} bytes, more than the ${BUNDLE_BYTES_MAX} that others read; invite without history`,
        { errcode: "M_TOO_LARGE" },
      );
    const file = await uploadAttachment(this.#media(), bytes);
    const sessions = parts.reduce((sum, { roomKeys }) => sum + roomKeys.length, 0);
    for (let round = 0; round < SHARE_ROUNDS_MAX; round += 1) {
      const { claims, devices, queries } = await access.in((calls) =>
        calls.shareHistory(roomId, userId, file),
      );
      await pump.settle();
      if (queries + claims === 0) return { sessions, devices };
    }
    return { sessions, devices: 0 };
  }

  /** Before a room is joined: who invited us there, whose bundle is then taken. Best effort: the join does not wait for it to work. */
  async invited(roomIdOrAlias: string): Promise<void> {
    const { access, client, runtime, store } = this.#options;
    try {
      const roomId = roomIdOrAlias.startsWith("#")
        ? (await client.resolveAlias(roomIdOrAlias)).roomId
        : roomIdOrAlias;
      // Without a position: whatever waits for the real sync stays there.
      const filter = JSON.stringify({
        ...INVITE_FILTER,
        room: { ...asObject(INVITE_FILTER["room"] ?? null), rooms: [roomId] },
      });
      const body = await client.request("GET", "/_matrix/client/v3/sync", {
        query: { timeout: "0", filter },
      });
      const inviter = inviterIn(body, roomId, client.userId);
      if (inviter === null) return;
      await access.in((calls) => calls.expectHistory(roomId, inviter));
      await store.durable();
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
      runtime.log.debug({ error: error.message }, "encryption: who invited us is not known");
    }
  }

  /** Something came: what is wanted may be there. One look at a time; never rejects. */
  look(): void {
    if (this.#running !== null || this.#aborter.signal.aborted) return;
    if (!this.#options.store.read(expectsHistory)) return;
    this.#running = this.#look()
      .catch((error: unknown) => this.#complain(error))
      .finally(() => {
        this.#running = null;
      });
  }

  async #look(): Promise<void> {
    const wanted = await this.#options.access.in((calls) => calls.wantedHistory());
    for (const each of wanted) await this.#fetch(each);
  }

  async #fetch(wanted: WantedHistory): Promise<void> {
    const { access, runtime, store } = this.#options;
    const { inviter, roomId } = wanted;
    const read = await this.#read(wanted);
    const fields =
      read === null ? { roomId, inviter } : { roomId, inviter, ...(await this.#take(roomId, read)) };
    await access.in((calls) => calls.historyDone(roomId));
    await store.durable();
    if (read === null)
      runtime.log.warn(fields, "encryption: the history that came with an invitation cannot be read");
    else runtime.log.info(fields, "encryption: took the history that came with an invitation");
  }

  /** Null where it is no bundle, or is not there any more. */
  async #read({ file }: WantedHistory): Promise<ReadBundle | null> {
    try {
      return readBundle(await downloadAttachment(this.#media(), file, BUNDLE_BYTES_MAX));
    } catch (error) {
      const hopeless = error instanceof MatrixError && (error.kind === "refused" || error.kind === "local");
      if (error instanceof CryptoError || hopeless) return null;
      throw error;
    }
  }

  async #take(
    roomId: string,
    { roomKeys, withheld }: ReadBundle,
  ): Promise<{ readonly taken: number; readonly failed: number }> {
    const { access } = this.#options;
    const refused = new Set(withheld.flatMap((each) => readRefusal(roomId, each)?.sessionId ?? []));
    let [taken, failed] = [0, 0];
    for (const slice of slices(roomKeys)) {
      const counts = await access.in((calls) => calls.takeHistory(roomId, slice, refused));
      taken += counts.new + counts.better;
      failed += counts.failed;
    }
    for (const slice of slices(withheld))
      await access.in((calls) => calls.takeHistoryRefusals(roomId, slice));
    return { taken, failed };
  }

  async #parts(roomId: string): Promise<readonly BundlePart[]> {
    const parts: BundlePart[] = [];
    let after: string | null = null;
    do {
      const from: string | null = after;
      const part: BundlePart = await this.#options.access.in((calls) => calls.historyPart(roomId, from));
      parts.push(part);
      ({ after } = part);
    } while (after !== null);
    return parts;
  }

  #media(): MediaAccess {
    const { client, runtime } = this.#options;
    return { client, provider: nodeProvider, runtime, signal: this.#aborter.signal };
  }

  #complain(error: unknown): void {
    if (this.#aborter.signal.aborted || error instanceof MatrixError) return;
    this.#options.runtime.log.error(
      { error: String(error) },
      "encryption: a room's history could not be taken",
    );
  }
}

const slices = <T>(all: readonly T[]): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(all.length / BUNDLE_SLICE) }, (_, at) =>
    all.slice(at * BUNDLE_SLICE, (at + 1) * BUNDLE_SLICE),
  );

/** Whoever's invitation the server shows for this room. */
const inviterIn = (body: JsonObject, roomId: string, userId: string): string | null => {
  const rooms = asObject(field(body, "rooms") ?? null) ?? {};
  const invited = asObject(field(asObject(field(rooms, "invite") ?? null) ?? {}, roomId) ?? null) ?? {};
  const state = asObject(field(invited, "invite_state") ?? null) ?? {};
  for (const value of asList(field(state, "events") ?? [])) {
    const event = asObject(value) ?? {};
    const content = asObject(field(event, "content") ?? null) ?? {};
    const ours = field(event, "type") === "m.room.member" && field(event, "state_key") === userId;
    if (ours && field(content, "membership") === "invite") return asString(field(event, "sender") ?? null);
  }
  return null;
};
