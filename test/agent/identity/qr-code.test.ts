// Our QR codes, read by zbar, which we did not write.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { qrCode } from "#agent/identity/qr-code.ts";
import { qrPng, qrText } from "#agent/identity/qr-picture.ts";
import { needs, which } from "#test/support/peers.ts";

/** Every byte value, in an order that depends on the length. */
const bytes = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 89 + length * 7) & 0xff);

describe("a QR code", () => {
  it("has the size of the smallest version that holds its bytes", () => {
    expect([1, 17, 18, 106, 107, 230, 231, 458].map((length) => qrCode(bytes(length)).length)).toEqual([
      21, 21, 25, 37, 41, 53, 57, 73,
    ]);
    expect(() => qrCode(bytes(459))).toThrow(RangeError);
  });

  it("is text of one width for a terminal", () => {
    const lines = qrText(qrCode(bytes(130)))
      .trimEnd()
      .split("\n");
    expect(new Set(lines.map((line) => [...line].length))).toEqual(new Set([45]));
    expect(lines).toHaveLength(23);
  });
});

needs("zbarimg", which("zbarimg"), (zbarimg) => {
  it.each([1, 17, 32, 53, 78, 106, 130, 154, 192, 230, 271, 321, 367, 425, 458])(
    "a code of %i bytes is read as them",
    (length) => {
      const folder = mkdtempSync(join(tmpdir(), "petrel-qr-"));
      try {
        const file = join(folder, "code.png");
        writeFileSync(file, qrPng(qrCode(bytes(length))));
        // It complains of a bus that is not there on standard error.
        const stdio: ["ignore", "pipe", "ignore"] = ["ignore", "pipe", "ignore"];
        const read = execFileSync(zbarimg, ["-q", "--raw", "-Sbinary", file], { stdio });
        expect(new Uint8Array(read)).toEqual(bytes(length));
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
