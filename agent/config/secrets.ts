// Secrets are never written into petrel.yaml: it says where each one lies. Three places: a file, an environment variable, a systemd credential
// (LoadCredential= of the unit, found under $CREDENTIALS_DIRECTORY).
import type { ZodType } from "zod";
import * as z from "zod";

export type SecretRef =
  | { readonly file: string }
  | { readonly env: string }
  | { readonly credential: string };

/** A reference to a secret; a bare string is refused with the way out. */
export const secretRef = (): ZodType<SecretRef> =>
  z.union(
    [
      z.strictObject({ file: z.string().min(1) }),
      z.strictObject({ env: z.string().min(1) }),
      z.strictObject({ credential: z.string().regex(/^[\w.-]+$/) }),
    ],
    {
      error:
        "expected a reference to a secret: { file: PATH }, { env: NAME } or { credential: NAME }, never the secret itself",
    },
  );

export class SecretError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "SecretError";
  }
}

/** What reading a secret needs of the outside. */
export interface SecretSource {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readFile(path: string): Uint8Array;
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replace(/\r?\n$/, "");

const fileText = (source: SecretSource, path: string, what: string): string => {
  try {
    return textOf(source.readFile(path));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    throw new SecretError(
      `${what}: cannot read ${path} (${code}); create it with mode 0600, holding the secret alone`,
    );
  }
};

/** The secret that `ref` points to, without its last line break. `what` names it in errors: "homeserver.password". */
export const readSecret = (source: SecretSource, ref: SecretRef, what: string): string => {
  if ("file" in ref) return fileText(source, ref.file, what);
  if ("env" in ref) {
    const value = source.environment[ref.env];
    if (value === undefined || value === "")
      throw new SecretError(`${what}: the environment variable ${ref.env} is not set`);
    return value;
  }
  const folder = source.environment["CREDENTIALS_DIRECTORY"];
  if (folder === undefined)
    throw new SecretError(
      `${what}: credential ${ref.credential}: no CREDENTIALS_DIRECTORY; add LoadCredential=${ref.credential}:PATH to the unit`,
    );
  return fileText(source, `${folder}/${ref.credential}`, what);
};

/** Keys under which a driver's options may hold a secret, at any depth. */
const SECRET_KEYS: ReadonlySet<string> = new Set(["password", "passphrase", "token", "secret"]);

const isRef = (value: unknown): value is SecretRef => secretRef().safeParse(value).success;

/** Where secrets stand written out in `value`, as paths. */
export const inlineSecrets = (
  value: unknown,
  path: readonly (string | number)[] = [],
): (string | number)[][] => {
  if (Array.isArray(value)) return value.flatMap((item, index) => inlineSecrets(item, [...path, index]));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    SECRET_KEYS.has(key) && typeof inner === "string"
      ? [[...path, key]]
      : inlineSecrets(inner, [...path, key]),
  );
};

/** A driver's options with each reference replaced by its secret. Throws `SecretError`. */
export const revealSecrets = (source: SecretSource, value: unknown, what: string): unknown => {
  if (Array.isArray(value))
    return value.map((item, index) => revealSecrets(source, item, `${what}[${index}]`));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]: [string, unknown]): [string, unknown] => [
    key,
    SECRET_KEYS.has(key) && isRef(inner)
      ? readSecret(source, inner, `${what}.${key}`)
      : revealSecrets(source, inner, `${what}.${key}`),
  ]);
  return Object.fromEntries(entries);
};
