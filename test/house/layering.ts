// Who may import whom (DESIGN 1), each rule with its reason. `layeringViolations` is a plain function over a tree, so that the test can seed a wrong one.
import { importsOf, SHIPPED_FOLDERS, type SourceFile } from "./files.ts";

interface FolderRule {
  readonly ours: readonly string[];
  readonly reason: string;
}

const RULES: Readonly<Record<string, FolderRule>> = {
  crypto: { ours: [], reason: "crypto/ is a library of its own that cryptographers can audit alone" },
  drivers: {
    ours: [],
    reason: "a driver knows no room and no journal: it must be testable and replaceable by itself",
  },
  "firmware-bridge": {
    ours: ["drivers/driver.ts", "drivers/reading.ts"],
    reason: "the firmware protocol knows of drivers only the types of the contract",
  },
  agent: {
    ours: ["crypto/", "drivers/", "firmware-bridge/"],
    reason: "what ships never imports scripts or tests",
  },
  scripts: { ours: ["agent/", "crypto/", "drivers/", "firmware-bridge/", "test/"], reason: "" },
  test: { ours: ["agent/", "crypto/", "drivers/", "firmware-bridge/", "scripts/"], reason: "" },
};

const CRYPTO_EXTERNALS = /^(@noble\/|node:crypto$)/;

/** Files of drivers/ that define one driver each: they must not import one another. */
const isDriverFile = (path: string): boolean =>
  /^drivers\/(serial|tcp|udp|file|mqtt|broker|gpio|system|simulator)(\.ts|\/)/.test(path);
const driverOf = (path: string): string => path.replace(/^drivers\//, "").replace(/(\.ts|\/.*)$/, "");

/** Paths that may touch the process, the real clock, real timers, real randomness: main.ts, workers' entries, the key generator. */
const MAY_TOUCH_THE_WORLD = /^(agent\/main\.ts|.*-worker\.ts|crypto\/provider\/.*)$/;
const WORLD: readonly (readonly [RegExp, string])[] = [
  [/(?<![\w.$])process\.(?!versions\b)/, "process"],
  [/\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bhrtime\b/, "the real clock"],
  [/\bMath\.random\(|\brandomBytes\(|\bgetRandomValues\(|\brandomUUID\(|\brandomInt\(/, "real randomness"],
  [/(?<![\w.$])(setTimeout|setInterval)\(/, "real timers"],
];

const resolveOurs = (from: string, specifier: string): string | null => {
  if (specifier.startsWith("#")) return specifier.slice(1);
  if (!specifier.startsWith(".")) return null;
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
};

const importViolation = (path: string, specifier: string): string | null => {
  const folder = path.split("/")[0] ?? "";
  const target = resolveOurs(path, specifier);
  if (target === null)
    return folder === "crypto" && !CRYPTO_EXTERNALS.test(specifier)
      ? `${path} imports "${specifier}": crypto/ may use only @noble/* and node:crypto, so that it stays synchronous and auditable`
      : null;
  const targetFolder = target.split("/")[0] ?? "";
  if (isDriverFile(path) && isDriverFile(target) && driverOf(path) !== driverOf(target))
    return `${path} imports ${target}: drivers never import each other`;
  if (targetFolder === folder) return null;
  const rule = RULES[folder];
  if (rule?.ours.some((allowed) => target.startsWith(allowed))) return null;
  return `${path} imports ${target}: ${rule?.reason ?? "no such folder in the design"}`;
};

const worldViolations = (file: SourceFile): string[] => {
  const folder = file.path.split("/")[0] ?? "";
  if (!SHIPPED_FOLDERS.includes(folder) || MAY_TOUCH_THE_WORLD.test(file.path)) return [];
  return file.text.split("\n").flatMap((line, index) => {
    if (/^\s*(\/\/|\*|\/\*)/.test(line)) return [];
    return WORLD.filter(([pattern]) => pattern.test(line)).map(
      ([, what]) =>
        `${file.path}:${index + 1} touches ${what}: take it as a parameter (only agent/main.ts makes it)`,
    );
  });
};

export const layeringViolations = (files: readonly SourceFile[]): string[] =>
  files.flatMap((file) => [
    ...importsOf(file).flatMap((specifier) => importViolation(file.path, specifier) ?? []),
    ...worldViolations(file),
  ]);
