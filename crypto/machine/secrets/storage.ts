// Secret storage in the account data (Client-Server API, "Secret storage"): finding it, opening it with a recovery key or a passphrase, making it.
//
// What the server has is asked for type by type and kept as it came (`accountData`); secrets in it are encrypted there. The key that opens it is never kept.

import { encodeBase64 } from "../../base64.ts";
import { CryptoError } from "../../errors.ts";
import { decodeRecoveryKey, encodeRecoveryKey } from "../../recovery-key.ts";
import {
  checkSecretStorageKey,
  createPassphraseInfo,
  decryptSecret,
  deriveSecretStorageKey,
  describeSecretStorageKey,
  encryptSecret,
  generateSecretStorageKey,
  type PassphraseInfo,
} from "../../secret-storage.ts";
import { isJsonObject, type JsonObject, member } from "../../shape.ts";
import { addRequest, type Context, requestsUnderWay } from "../context.ts";
import { MachineError } from "../errors.ts";
import { errorCode, isFinal } from "../refusals.ts";
import type { Answer } from "../requests.ts";
import type { RequestRow } from "../store/store.ts";
import { holdsSecret, SECRET_NAMES, takeSecret } from "./known.ts";

const DEFAULT_KEY = "m.secret_storage.default_key";
const KEY_PREFIX = "m.secret_storage.key.";
const KEY_ID_BYTES = 16;
const NOT_FOUND = 404;

/** What opens secret storage: what a person wrote down, or remembers; or the key that was stretched of what they remember (`secretStoragePassphrase`). */
export type StorageKey =
  | { readonly recoveryKey: string }
  | { readonly passphrase: string }
  | { readonly key: Uint8Array };

/** What a new secret storage is to be like. `stretched`: a key out of a passphrase, made without holding up the loop. */
export interface StorageOptions {
  readonly passphrase?: string;
  readonly stretched?: { readonly info: PassphraseInfo; readonly key: Uint8Array };
  readonly replace?: boolean;
}

/**
 * - `unknown`: not asked for yet, or the server did not answer: `fetchSecretStorage`.
 * - `fetching`: requests are under way.
 * - `none`: our user has none.
 * - `there`: give its key. `passphrase`: one opens it, too. `secrets`: the names of those that it holds and that mean something here.
 */
export type SecretStorageState =
  | { readonly state: "unknown" | "fetching" | "none" }
  | {
      readonly state: "there";
      readonly keyId: string;
      readonly passphrase: boolean;
      readonly secrets: readonly string[];
    };

/**
 * - `opened`: `taken` fit and are kept now; `missing` are not in there; `rejected` are, and do not fit or cannot be read.
 * - `wrong-key`: another key, or another passphrase, or a mistyped one (`reason`).
 * - `not-there`: `fetchSecretStorage` first, or there is none.
 */
export type OpenResult =
  | {
      readonly kind: "opened";
      readonly taken: readonly string[];
      readonly missing: readonly string[];
      readonly rejected: readonly string[];
    }
  | { readonly kind: "wrong-key"; readonly reason: string }
  | { readonly kind: "not-there" };

/** Asks the server for everything that secret storage is made of. */
export function fetchSecretStorage(context: Context): void {
  if (requestsUnderWay(context, "account-data-get").length > 0) return;
  for (const type of [DEFAULT_KEY, ...SECRET_NAMES]) fetchType(context, type);
}

function pathOf({ userId }: Context, type: string): string {
  return `/_matrix/client/v3/user/${encodeURIComponent(userId)}/account_data/${encodeURIComponent(type)}`;
}

function fetchType(context: Context, type: string): void {
  const path = pathOf(context, type);
  addRequest(context, () => ({ kind: "account-data-get", method: "GET", path, body: null }), { type });
}

/** What the server has of a type; 404 is an answer, too. */
export function answerAccountDataGet(context: Context, { detail }: RequestRow, answer: Answer): void {
  const type = detail["type"];
  if (typeof type !== "string") return;
  if (answer.ok) {
    const content = isJsonObject(answer.body) ? answer.body : null;
    context.rows.put("accountData", "", type, { content });
    const keyId = type === DEFAULT_KEY ? defaultKeyId(context) : null;
    if (keyId !== null) fetchType(context, KEY_PREFIX + keyId);
  } else if (isFinal(answer)) {
    if (answer.status === NOT_FOUND && errorCode(answer.body) === "M_NOT_FOUND") {
      context.rows.put("accountData", "", type, { content: null });
    } else if (context.rows.get("accountData", "", type) !== null) {
      context.rows.delete("accountData", "", type);
    }
  }
}

function contentOf({ rows }: Context, type: string): JsonObject | null {
  return rows.get("accountData", "", type)?.content ?? null;
}

/** The ID of the key that secrets are under; null where there is none. */
function defaultKeyId(context: Context): string | null {
  const key = contentOf(context, DEFAULT_KEY);
  const id = key === null ? undefined : member(key, "key");
  return typeof id === "string" && id !== "" ? id : null;
}

export function secretStorageState(context: Context): SecretStorageState {
  if (requestsUnderWay(context, "account-data-get").length > 0) return { state: "fetching" };
  if (context.rows.get("accountData", "", DEFAULT_KEY) === null) return { state: "unknown" };
  const keyId = defaultKeyId(context);
  if (keyId === null) return { state: "none" };
  const description = contentOf(context, KEY_PREFIX + keyId);
  if (description === null) return { state: "unknown" };
  const passphrase = isJsonObject(member(description, "passphrase"));
  const secrets = SECRET_NAMES.filter((name) => encryptedUnder(context, name, keyId) !== undefined);
  return { state: "there", keyId, passphrase, secrets };
}

function encryptedUnder(context: Context, name: string, keyId: string): unknown {
  const content = contentOf(context, name);
  const encrypted = content === null ? undefined : member(content, "encrypted");
  return isJsonObject(encrypted) ? member(encrypted, keyId) : undefined;
}

/** Opens secret storage and keeps the secrets that fit what the server shows of our user. Nothing of the key is kept. */
export function openSecretStorage(context: Context, given: StorageKey): OpenResult {
  return withKey(context, given, (key, keyId) => {
    const taken: string[] = [];
    const missing: string[] = [];
    const rejected: string[] = [];
    for (const name of SECRET_NAMES) {
      const encrypted = encryptedUnder(context, name, keyId);
      if (encrypted === undefined) missing.push(name);
      else (takeEncrypted(context, key, name, encrypted) ? taken : rejected).push(name);
    }
    return { kind: "opened", taken, missing, rejected };
  });
}

function takeEncrypted(context: Context, key: Uint8Array, name: string, encrypted: unknown): boolean {
  try {
    const secret = decryptSecret(context.provider, key, name, encrypted);
    return takeSecret(context, name, secret, { confirms: true });
  } catch (error) {
    if (error instanceof CryptoError) return false;
    throw error;
  }
}

/** Puts the secrets that we hold into the storage that is there; which ones, as `taken`. */
export function saveSecrets(context: Context, given: StorageKey): OpenResult {
  return withKey(context, given, (key, keyId) => {
    const taken = SECRET_NAMES.filter((name) => holdsSecret(context, name));
    for (const name of taken) putSecret(context, key, keyId, name);
    return { kind: "opened", taken, missing: [], rejected: [] };
  });
}

function withKey(
  context: Context,
  given: StorageKey,
  use: (key: Uint8Array, keyId: string) => OpenResult,
): OpenResult {
  const keyId = defaultKeyId(context);
  const description = keyId === null ? null : contentOf(context, KEY_PREFIX + keyId);
  if (keyId === null || description === null) return { kind: "not-there" };
  try {
    const key = openingKey(context, given, description);
    const check = checkSecretStorageKey(context.provider, key, description);
    const result: OpenResult =
      check === "wrong"
        ? { kind: "wrong-key", reason: "it is not the key of this secret storage" }
        : use(key, keyId);
    key.fill(0);
    return result;
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    return { kind: "wrong-key", reason: error.message };
  }
}

/** A copy of our own, to be filled with zeros. */
function openingKey(context: Context, given: StorageKey, description: JsonObject): Uint8Array {
  if ("recoveryKey" in given) return decodeRecoveryKey(given.recoveryKey);
  if ("key" in given) return given.key.slice();
  return deriveSecretStorageKey(context.provider, given.passphrase, member(description, "passphrase"));
}

/** How the key is made of a passphrase, untrusted, for `stretchSecretStorageKey`; null where none opens it. */
export function secretStoragePassphrase(context: Context): JsonObject | null {
  const keyId = defaultKeyId(context);
  const description = keyId === null ? null : contentOf(context, KEY_PREFIX + keyId);
  const info = description === null ? undefined : member(description, "passphrase");
  return isJsonObject(info) ? info : null;
}

/**
 * Makes secret storage for the secrets that we hold. The recovery key is given once and kept nowhere.
 * @throws MachineError SECRET_STORAGE where it is not known that there is none, unless it is to be replaced
 */
export function createSecretStorage(
  context: Context,
  options: StorageOptions,
): { readonly recoveryKey: string; readonly secrets: readonly string[] } {
  const { state } = secretStorageState(context);
  if (state !== "none" && options.replace !== true) {
    throw new MachineError(
      "SECRET_STORAGE",
      state === "there"
        ? "encryption machine: our user has secret storage already; open it with its key, or say that it is to be replaced"
        : "encryption machine: it is not known whether our user has secret storage; fetch it and answer the requests first",
    );
  }
  const { provider } = context;
  const { info, key } = newKey(context, options);
  const keyId = encodeBase64(provider.random(KEY_ID_BYTES)).replace(/[+/]/g, "0");
  const description = describeSecretStorageKey(provider, key, info === undefined ? {} : { passphrase: info });
  putAccountData(context, KEY_PREFIX + keyId, { ...description });
  const secrets = SECRET_NAMES.filter((name) => holdsSecret(context, name));
  for (const name of secrets) putSecret(context, key, keyId, name);
  // Last: whoever sees it finds all the rest.
  putAccountData(context, DEFAULT_KEY, { key: keyId });
  const recoveryKey = encodeRecoveryKey(key);
  key.fill(0);
  return { recoveryKey, secrets };
}

function newKey(
  { provider }: Context,
  { passphrase, stretched }: StorageOptions,
): { readonly info: PassphraseInfo | undefined; readonly key: Uint8Array } {
  if (stretched !== undefined) return { info: stretched.info, key: stretched.key.slice() };
  if (passphrase === undefined) return { info: undefined, key: generateSecretStorageKey(provider) };
  const info = createPassphraseInfo(provider);
  return { info, key: deriveSecretStorageKey(provider, passphrase, info) };
}

/** A secret under this key, beside what other keys encrypt. */
function putSecret(context: Context, key: Uint8Array, keyId: string, name: string): void {
  const secret = context.rows.get("secret", "", name)?.secret;
  if (secret === undefined) return;
  const before = contentOf(context, name) ?? {};
  const encrypted = member(before, "encrypted");
  const others = isJsonObject(encrypted) ? encrypted : {};
  const own = encryptSecret(context.provider, key, name, secret);
  putAccountData(context, name, { ...before, encrypted: { ...others, [keyId]: { ...own } } });
}

function putAccountData(context: Context, type: string, content: JsonObject): void {
  context.rows.put("accountData", "", type, { content });
  const path = pathOf(context, type);
  addRequest(context, () => ({ kind: "account-data-put", method: "PUT", path, body: content }), { type });
}

/** The server does not take what we put there: what it has must be asked for again. */
export function accountDataRefused(context: Context, { detail }: RequestRow, answer: Answer): void {
  const type = detail["type"];
  if (answer.ok || !isFinal(answer) || typeof type !== "string") return;
  if (context.rows.get("accountData", "", type) !== null) context.rows.delete("accountData", "", type);
  context.notify({ kind: "account-data-refused", type, error: `${answer.status} ${errorCode(answer.body)}` });
}
