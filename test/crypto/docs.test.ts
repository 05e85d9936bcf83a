// docs/crypto.md: every example is type-checked and run as it stands, and every public entry has one.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";

const ROOT = resolve(fileURLToPath(import.meta.url), "../../..");
const CRYPTO = join(ROOT, "crypto");
/** What the entries are made of, and no entries themselves. */
const INTERNAL = new Set(["aes-sha2", "limits", "provider", "shape", "wire"]);

const run = promisify(execFile);
const document = readFileSync(join(ROOT, "docs/crypto.md"), "utf8");
const examples = document
  .split(/^## /m)
  .slice(1)
  .flatMap((section) => {
    const [, code] = /^```ts\n(.*?)^```$/ms.exec(section) ?? [];
    return code === undefined ? [] : [{ title: section.split("\n", 1)[0] ?? "", code }];
  });
const folder = mkdtempSync(join(tmpdir(), "petrel-docs-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The source file of an entry: crypto/x.ts or crypto/x/index.ts. */
const sourceOf = (entry: string): string => {
  const file = join(CRYPTO, `${entry}.ts`);
  return existsSync(file) ? file : join(CRYPTO, entry, "index.ts");
};

const fileOf = (title: string): string => join(folder, `${title.replaceAll(/\W+/g, "-")}.ts`);

/** The example with the sources in place of the package, so that it needs no build. */
const write = (title: string, code: string): void =>
  writeFileSync(
    fileOf(title),
    code.replaceAll(/"petrel\/crypto\/([\w/-]+)"/g, (_all, entry: string) =>
      JSON.stringify(pathToFileURL(sourceOf(entry)).href.replace("file://", "")),
    ),
  );

for (const { title, code } of examples) write(title, code);

describe("docs/crypto.md", () => {
  it.each(examples)("has an example of $title that runs", async ({ title }) => {
    await expect(
      run(process.execPath, ["--disable-warning=ExperimentalWarning", fileOf(title)]),
    ).resolves.toEqual({
      stdout: "",
      stderr: "",
    });
  });

  it("has examples that are correctly typed", async () => {
    const config = {
      extends: join(ROOT, "tsconfig.json"),
      compilerOptions: { typeRoots: [join(ROOT, "node_modules/@types")], skipLibCheck: true },
      include: ["*.ts"],
    };
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    const report = await run(process.execPath, [tsc, "-p", folder]).catch((error: unknown) => error);
    expect(report).toMatchObject({ stdout: "" });
  });

  it("names every entry of the library in its table, and shows each in an example", () => {
    const files = readdirSync(CRYPTO)
      .filter((name) => name.endsWith(".ts"))
      .map((name) => name.slice(0, -3));
    const folders = readdirSync(CRYPTO).filter((name) => existsSync(join(CRYPTO, name, "index.ts")));
    const more = ["provider/node", "provider/noble", "pickle/own", "pickle/libolm"];
    const entries = [...files.filter((name) => !INTERNAL.has(name)), ...folders, ...more];
    const shown = examples.map(({ code }) => code).join("\n");
    expect(entries.filter((entry) => !shown.includes(`"petrel/crypto/${entry}"`))).toEqual([]);
    const table = document.slice(0, document.indexOf("## Conventions"));
    expect(entries.filter((entry) => !table.includes(`/${entry.split("/").at(-1)}\``))).toEqual([]);
  });

  it("has only links to places that exist", () => {
    const anchors = [...document.matchAll(/^## (.+)$/gm)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w -]/g, "")
        .replaceAll(" ", "-"),
    );
    const targets = [...document.matchAll(/\]\(#([\w-]+)\)/g)].map(([, target]) => target);
    expect(targets.filter((target) => !anchors.includes(target ?? ""))).toEqual([]);
    const files = [...document.matchAll(/\]\((\.\.[^)#]+)\)/g)].map(([, path = ""]) =>
      join(ROOT, "docs", path),
    );
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
  });
});
