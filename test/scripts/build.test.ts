// What ships: the tarball of `npm pack`, installed in an empty folder, runs and can be imported, with types.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");
let folder = "";

const run = (command: string, args: readonly string[], cwd: string): string =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "petrel-pack-"));
  run("npm", ["pack", "--silent", "--pack-destination", folder], ROOT);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "";
  writeFileSync(join(folder, "package.json"), '{ "name": "user", "private": true, "type": "module" }\n');
  // Without the optional native parts: the agent starts without them, and the test needs no network.
  run("npm", ["install", "--silent", "--omit=optional", "--ignore-scripts", `./${tarball}`], folder);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const node = (...args: readonly string[]): string => run(process.execPath, args, folder);

it("runs from an installed tarball", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  expect(node(join(folder, "node_modules/.bin/petrel"), "--version")).toBe(`${version}\n`);
});

it("validates a configuration that names serial, MQTT and GPIO without their native parts", () => {
  writeFileSync(
    join(folder, "petrel.yaml"),
    `version: 1
device: { name: d }
homeserver: { server: example.org, user: d }
drivers:
  gps: { type: serial, path: /dev/ttyX, framing: { type: lines } }
  site: { type: broker }
`,
  );
  expect(node("node_modules/.bin/petrel", "-c", "petrel.yaml", "check")).toContain(
    "petrel.yaml: right (2 drivers",
  );
});

it("offers its library entries", () => {
  const script = `
    import { encodeBase64 } from "petrel/crypto/base64";
    import { parseDecimal } from "petrel/telemetry";
    console.log(encodeBase64(new Uint8Array([1, 2, 3])), parseDecimal("21.5"));`;
  expect(node("--input-type=module", "-e", script)).toBe("AQID 21.5\n");
});

it("types its library entries", () => {
  writeFileSync(
    join(folder, "user.ts"),
    'import { parseDecimal } from "petrel/telemetry";\nexport const wrong: string = parseDecimal("1");\n',
  );
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const options = [
    "--noEmit",
    "--module",
    "nodenext",
    "--moduleResolution",
    "nodenext",
    "--target",
    "es2024",
    "--strict",
    "--skipLibCheck",
    "false",
    "--types",
    "",
  ];
  const compile = (): string => {
    try {
      return node(tsc, ...options, "user.ts");
    } catch (error) {
      return String((error as { stdout?: unknown }).stdout);
    }
  };
  expect(compile()).toContain("Type 'number | null' is not assignable to type 'string'");
  writeFileSync(
    join(folder, "user.ts"),
    'import { parseDecimal } from "petrel/telemetry";\nexport const right: number | null = parseDecimal("1");\n',
  );
  expect(compile()).toBe("");
});
