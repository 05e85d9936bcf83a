// The dependency list: every package that package.json names has an exact version and a written reason in DEPENDENCIES.md, and nothing is imported that is not declared.
import { isBuiltin } from "node:module";
import { importsOf, SHIPPED_FOLDERS, type SourceFile } from "./files.ts";

export interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const ROW = /^\| `([^`]+)` \| (bundled|optional|dev) \| (.+) \|$/gm;

export interface Listed {
  readonly name: string;
  readonly use: string;
  readonly reason: string;
}

export const parseList = (markdown: string): Listed[] =>
  [...markdown.matchAll(ROW)].map((row) => ({ name: row[1] ?? "", use: row[2] ?? "", reason: row[3] ?? "" }));

const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");

const external = (specifier: string): boolean =>
  !/^(?:[.#]|petrel\/)/.test(specifier) && !isBuiltin(specifier);

export const listViolations = (manifest: Manifest, listed: readonly Listed[]): string[] => {
  const declared = {
    ...manifest.dependencies,
    ...manifest.devDependencies,
    ...manifest.optionalDependencies,
  };
  const names = new Set(listed.map(({ name }) => name));
  return [
    ...Object.entries(declared)
      .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
      .map(([name, version]) => `${name} has version "${version}": an exact one is expected`),
    ...Object.keys(declared)
      .filter((name) => !names.has(name))
      .map((name) => `${name} has no row in DEPENDENCIES.md: say why it is needed`),
    ...listed
      .filter(({ name }) => !(name in declared))
      .map(({ name }) => `${name} is listed in DEPENDENCIES.md but not in package.json`),
    ...listed
      .filter(({ reason }) => reason.length < 20)
      .map(({ name }) => `${name}: the reason is too short to be one`),
  ];
};

/** A shipped file may import what is bundled or optional; scripts and tests may import anything declared. */
export const importViolations = (files: readonly SourceFile[], listed: readonly Listed[]): string[] => {
  const allowed = (path: string): Set<string> => {
    const shipped = SHIPPED_FOLDERS.includes(path.split("/")[0] ?? "");
    return new Set(listed.filter(({ use }) => !shipped || use !== "dev").map(({ name }) => name));
  };
  return files.flatMap((file) =>
    importsOf(file)
      .filter((specifier) => external(specifier) && !allowed(file.path).has(packageOf(specifier)))
      .map(
        (specifier) =>
          `${file.path} imports "${specifier}", which is not declared for it in DEPENDENCIES.md and package.json`,
      ),
  );
};
