// Peers are programs that we did not write (mosquitto, socat, Synapse, ...). A test that needs one says so through `needs`:
//
//   needs("mosquitto", which("mosquitto"), (mosquitto) => { it("...", ...) });
//
// Where the peer is missing, the tests inside are shown as skipped under the name "[needs mosquitto] ...", which scripts/test.ts lists loudly at the
// end of a run; under PETREL_PEERS=required (as in CI) a missing peer is a failure.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, it } from "vitest";

/** The path of a program, or null. Looks where Debian puts daemons too. */
export const which = (program: string): string | null => {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/bin", "/sbin"];
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? null;
};

/** Runs `suite` with what was found of the peer; `found` null means it is missing. */
export const needs = <T>(peer: string, found: T | null, suite: (found: T) => void): void => {
  if (found !== null) {
    describe(`with ${peer}`, () => suite(found));
    return;
  }
  const required = process.env["PETREL_PEERS"] === "required";
  describe(`[needs ${peer}]`, () => {
    if (required) {
      it("is there", () => {
        throw new Error(`PETREL_PEERS=required, but ${peer} is missing: install it (see .ci/run)`);
      });
    } else {
      it.skip(`${peer} is missing: its tests did not run`, () => undefined);
    }
  });
};
