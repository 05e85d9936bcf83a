// Runs a script in the emulated machine and collects what it reports.
import { expect } from "vitest";
import { type GuestOptions, isGuestBuilt, missingForGuest, runInGuest } from "#scripts/gpio-vm.ts";

export const SCRIPTS = "test/drivers/gpio/guest";

/** For `needs`: "yes" where the emulated machine can be had now (built already, or CI says that it must be). */
export const guest = (): string | null => {
  if (missingForGuest() !== null) return null;
  return isGuestBuilt() || process.env["PETREL_PEERS"] === "required" ? "yes" : null;
};

/** The findings by name. Fails with the console's last lines when the script did not end well. */
export const resultsOf = async (script: string, options: GuestOptions): Promise<Map<string, unknown>> => {
  const { code, lines } = await runInGuest(`${SCRIPTS}/${script}`, {
    also: [`${SCRIPTS}/agent.ts`],
    ...options,
  });
  if (code !== 0) expect.fail(`${script} ended with ${code} in the guest:\n${lines.slice(-40).join("\n")}`);
  // The guest's script wrote them (guest/report.ts).
  const found = lines
    .filter((line) => line.startsWith("RESULT "))
    .map((line) => JSON.parse(line.slice("RESULT ".length)) as { name: string; value: unknown });
  return new Map(found.map(({ name, value }) => [name, value]));
};
