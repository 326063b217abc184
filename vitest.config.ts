import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const shared = {
  resolve: { conditions: ["@runlet/source", "node", "import", "default"] },
  ssr: { resolve: { conditions: ["@runlet/source", "node", "import", "default"] } },
};

/**
 * Longer than a test takes on a slow, busy or emulated machine, in milliseconds: what is limited is how long one that hangs is
 * waited for. What a test waits for by itself has a limit of its own, see test-e2e/harness/patience.ts.
 */
const limits = { testTimeout: 300_000, hookTimeout: 300_000 };

/** Files of one engine take turns, so that a hook of one waits for the tests of others; and each flow runs twice. */
const engineLimits = { testTimeout: 900_000, hookTimeout: 7_200_000 };

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
          include: [
            "packages/*/src/**/*.test.ts",
            "packages/*/test/**/*.test.ts",
            "standalone/test/**/*.test.ts",
            "scripts/**/*.test.ts",
          ],
          exclude: ["**/*.root.test.ts", "**/node_modules/**", "**/dist/**"],
          ...limits,
        },
      },
      {
        ...shared,
        test: {
          name: "root",
          pool: "forks",
          include: [
            "packages/*/src/**/*.root.test.ts",
            "packages/*/test/**/*.root.test.ts",
            "bench/test/**/*.root.test.ts",
          ],
          ...limits,
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
          ...limits,
          retry,
        },
      },
      {
        ...shared,
        test: {
          name: "engines",
          pool: "forks",
          include: ["test-e2e/engines/**/*.test.ts"],
          globalSetup: "test-e2e/engines/harness/global-setup.ts",
          ...engineLimits,
          retry,
        },
      },
    ],
  },
});
