// The tests that mutation testing runs (stryker.config.json): those of Olm and Megolm, and of what is built on them, without setup or projects.
import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/crypto/wire.test.ts", "test/crypto/{olm,megolm,pickle}/**/*.test.ts"],
    exclude: ["**/*.long.test.ts"],
    testTimeout: 30_000,
    pool: "threads",
  },
});

export default config;
