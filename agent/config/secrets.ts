// Secrets are never written into petrel.yaml: it says where each one lies. Three places: a file, an environment variable, a systemd credential
// (LoadCredential= of the unit, found under $CREDENTIALS_DIRECTORY).
import { type ZodType, z } from "zod";

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
