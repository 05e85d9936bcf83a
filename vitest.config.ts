// The test runner's map. Three projects, told apart by where a file lies and how it is named:
// house (the rules of the house, part of `npm run check`), unit (everything else), long (`*.long.test.ts`).
import { defineConfig, type ViteUserConfig } from "vitest/config";

const setupFiles = ["./test/support/leaks.ts"];

const config: ViteUserConfig = defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: "forks",
    projects: [
      { extends: true, test: { name: "house", include: ["test/house/**/*.test.ts"], testTimeout: 240_000 } },
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/house/**", "test/**/*.long.test.ts"],
          setupFiles,
        },
      },
      {
        extends: true,
        test: { name: "long", include: ["test/**/*.long.test.ts"], setupFiles, testTimeout: 1_800_000 },
      },
    ],
  },
});

export default config;
