import { expect, it } from "vitest";
import { sourceFiles } from "./files.ts";

it("imports zod as a namespace: the named import brings all its languages into the bundle", () => {
  const named = sourceFiles(".").filter(
    ({ path, text }) => !path.startsWith("test/") && /import \{[^}]*\bz\b[^}]*\} from "zod"/.test(text),
  );
  expect(named.map(({ path }) => path)).toEqual([]);
});
