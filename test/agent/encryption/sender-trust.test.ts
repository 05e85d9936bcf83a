import { describe, expect, it } from "vitest";
import { senderTrust } from "#agent/encryption/sender-trust.ts";
import type { IdentityStatus } from "#crypto/machine/devices/trust.ts";

describe("what a command's sender is worth", () => {
  it.each<[string, boolean, boolean, IdentityStatus, string]>([
    ["a verified identity", true, true, "verified", "verified"],
    ["an identity as first seen", true, false, "pinned", "cross-signed"],
    ["an identity that a server exchanged", true, false, "changed", "changed"],
    ["a verified identity that a server exchanged", true, false, "violation", "changed"],
    ["a device that nobody signed", false, false, "pinned", "unsigned"],
    ["a device that a changed identity did not sign", false, false, "changed", "unsigned"],
    ["a user without an identity", false, false, "none", "unsigned"],
  ])("%s", (_, crossSigned, verified, identity, expected) => {
    expect(senderTrust({ crossSigned, verified, identity })).toBe(expected);
  });

  it("a device that is not known", () => {
    expect(senderTrust(null)).toBe("unknown");
  });
});
