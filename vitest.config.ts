import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const shared = {
  resolve: { conditions: ["@runlet/source", "node", "import", "default"] },
  ssr: { resolve: { conditions: ["@runlet/source", "node", "import", "default"] } },
};

/**
 * Where the machine is shared, a test that waits for the kernel is given a second chance: what it tests is deterministic,
 * how long it takes is not.
 */
const retry = process.env.CI === undefined ? 0 : 2;

export default defineConfig({
  test: {
    pool: "forks",
    // Tests wait for processes more than they compute; vitest's own choice leaves one of two processors idle.
    maxWorkers: Math.max(2, availableParallelism()),
    projects: [
      {
        ...shared,
        test: {
          name: "unit",
          pool: "forks",
          include: ["packages/*/src/**/*.test.ts", "packages/*/test/**/*.test.ts", "scripts/**/*.test.ts"],
          exclude: ["**/*.root.test.ts", "**/node_modules/**", "**/dist/**"],
          // Property tests compute for seconds where the machine is shared.
          testTimeout: 20_000,
        },
      },
      {
        ...shared,
        test: {
          name: "root",
          pool: "forks",
          include: ["packages/*/src/**/*.root.test.ts", "packages/*/test/**/*.root.test.ts"],
          testTimeout: 30_000,
          retry,
        },
      },
      {
        ...shared,
        test: {
          name: "e2e",
          pool: "forks",
          include: ["test-e2e/tests/**/*.test.ts"],
          globalSetup: "test-e2e/harness/global-setup.ts",
          testTimeout: 120_000,
          retry,
          hookTimeout: 120_000,
        },
      },
      {
        ...shared,
        test: {
          name: "engines",
          pool: "forks",
          include: ["test-e2e/engines/**/*.test.ts"],
          globalSetup: "test-e2e/engines/harness/global-setup.ts",
          testTimeout: 120_000,
          retry,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
