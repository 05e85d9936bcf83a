// The control socket's verbs about verification and trust. Each is one step, so that a person, a script and a hook can take them alike.
import type { Handler } from "#agent/control/server.ts";
import { CliError, EXIT } from "#agent/exit.ts";
import { asString, field } from "#agent/matrix/json.ts";
import type { JsonObject, JsonValue } from "#agent/matrix/types.ts";
import { CryptoError } from "#crypto/errors.ts";
import { MachineError } from "#crypto/machine/errors.ts";
import type { MachineCalls } from "#crypto/machine/machine.ts";
import type { Verification } from "#crypto/machine/verification/calls.ts";
import type { IdentityAccess } from "./access.ts";
import { backup } from "./backup.ts";

/** An answer as JSON: what the machine gives is plain values. */
export const toJson = (value: unknown): JsonValue => JSON.parse(JSON.stringify(value)) as JsonValue;

export const argument = (args: JsonObject, name: string): string => {
  const value = asString(field(args, name));
  if (value === null) throw new CliError(EXIT.usage, `expected "${name}" as a text`);
  return value;
};

/** What the machine refuses is told as it says it: its messages are for people. */
export const told = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MachineError)) throw error;
    const text = error.message.replace(/^encryption machine: /, "");
    throw new CliError(EXIT.failed, text, { cause: error });
  }
};

type Step = (calls: MachineCalls, id: string) => Verification;

const STEPS: Readonly<Record<string, Step>> = {
  start: (calls, id) => calls.startSas(id),
  confirm: (calls, id) => calls.confirmVerification(id),
  mismatch: (calls, id) => calls.mismatchVerification(id),
  cancel: (calls, id) => calls.cancelVerification(id),
};

const verifications = async (access: IdentityAccess): Promise<JsonValue> =>
  toJson({ verifications: await access.calls((calls) => calls.verifications()) });

const step = async (access: IdentityAccess, args: JsonObject): Promise<JsonValue> => {
  const name = argument(args, "step");
  const id = argument(args, "id");
  const accept: Step = (calls, accepted) =>
    calls.acceptVerification(accepted, { scan: field(args, "scan") === true });
  const steps: Readonly<Record<string, Step>> = { accept, ...STEPS };
  const take = Object.hasOwn(steps, name) ? steps[name] : undefined;
  if (take === undefined)
    throw new CliError(
      EXIT.usage,
      `expected one of the steps ${Object.keys(steps).join(", ")}, found "${name}"`,
    );
  const verification = await access.calls((calls) => take(calls, id));
  void access.settle();
  return toJson({ verification });
};

/** Asks a user, whose devices are asked for first where they are not known. */
const request = async (access: IdentityAccess, args: JsonObject): Promise<JsonValue> => {
  const userId = argument(args, "user");
  const deviceId = asString(field(args, "device"));
  const roomId = asString(field(args, "room"));
  await access.calls((calls) => calls.trackUsers([userId]));
  await access.settle();
  const verification = await access.calls((calls) =>
    calls.requestVerification(userId, {
      ...(deviceId === null ? {} : { deviceId }),
      ...(roomId === null ? {} : { roomId }),
      ...(field(args, "scan") === true ? { scan: true } : {}),
    }),
  );
  void access.settle();
  return toJson({ verification });
};

const qr = async (access: IdentityAccess, args: JsonObject): Promise<JsonValue> => {
  const id = argument(args, "id");
  const bytes = await access.calls((calls) => calls.verificationQr(id));
  return { bytes: bytes === null ? null : Buffer.from(bytes).toString("base64") };
};

/** The bytes of the code that the other side shows. */
const scanned = async (access: IdentityAccess, args: JsonObject): Promise<JsonValue> => {
  const id = argument(args, "id");
  const bytes = new Uint8Array(Buffer.from(argument(args, "bytes"), "base64"));
  try {
    const verification = await access.calls((calls) => calls.scanVerificationQr(id, bytes));
    void access.settle();
    return toJson({ verification });
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    throw new CliError(EXIT.failed, error.message, { cause: error });
  }
};

const trust = async (access: IdentityAccess, args: JsonObject): Promise<JsonValue> => {
  const userId = asString(field(args, "user")) ?? access.userId;
  const fingerprint = asString(field(args, "fingerprint"));
  await access.calls((calls) => calls.trackUsers([userId]));
  await access.settle();
  if (fingerprint !== null) {
    await access.calls((calls) => calls.trustMaster(userId, fingerprint));
    await access.settle();
  } else if (field(args, "acknowledge") === true) {
    await access.calls((calls) => calls.acknowledgeIdentity(userId));
  }
  return toJson(
    await access.calls((calls) => ({
      user: userId,
      status: calls.identityStatus(userId),
      fingerprint: calls.masterKey(userId),
      devices: calls.devices(userId).map(({ device, trust: worth }) => ({
        id: device.deviceId,
        key: device.ed25519,
        crossSigned: worth.crossSigned,
        verified: worth.verified,
      })),
      ...(userId === access.userId ? { crossSigning: calls.crossSigning() } : {}),
    })),
  );
};

/** `access`: null while the agent has not reached its homeserver, or sends in clear. */
export const identityVerbs = (access: () => IdentityAccess | null): Readonly<Record<string, Handler>> => {
  const on =
    (work: (found: IdentityAccess, ...rest: Parameters<Handler>) => Promise<JsonValue>): Handler =>
    (args, exchange) => {
      const found = access();
      if (found === null)
        throw new CliError(
          EXIT.unreachable,
          "the agent has no encrypted session yet: it has not reached its homeserver, or encryption.enabled is false",
        );
      return told(() => work(found, args, exchange));
    };
  return {
    verifications: on(verifications),
    "verify-step": on(step),
    "verify-request": on(request),
    "verify-qr": on(qr),
    "verify-scan": on(scanned),
    trust: on(trust),
    backup: on(backup),
  };
};
