import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, type TestContext, test as vitestTest } from "vitest";
import { Bundle, type Config } from "./bundle.ts";
import { Command, type Result } from "./command.ts";
import { findLeaks } from "./leaks.ts";
import { Observation } from "./observation.ts";
import { settlingMs, sleep } from "./patience.ts";
import { type Requirements, unmet } from "./requirements.ts";

declare module "vitest" {
  interface TaskMeta {
    /** Why a test was skipped, for the report. */
    skipReason?: string;
  }
}

/** What the tests of one file share. */
export interface Suite {
  /** A directory of the suite's own, removed at the end. */
  readonly directory: string;
  /** The runtime under test. */
  readonly runtime: Command;
  /** Part of everything that the suite makes. */
  readonly tag: string;
  /** An id that no other container has. */
  id(): string;
  /** A bundle of the default config that runs the probe. */
  bundle(edit?: (config: Config, bundle: Bundle) => void): Bundle;
  /** Runs a bundle's probe with these verbs to its end, which must be a good one, and reads what it saw. */
  observe(bundle: Bundle, ...verbs: readonly string[]): Promise<Observation>;
  /** Runs a bundle to its end, whatever that is. */
  run(bundle: Bundle, ...options: readonly string[]): Promise<Result>;
  /** Why tests with these needs cannot run here, or undefined when they can. */
  unmet(needs: Requirements): string | undefined;
  /** A test; one that cannot run here is skipped and says why. */
  test(name: string, body: (context: TestContext) => Promise<void> | void): void;
  test(name: string, needs: Requirements, body: (context: TestContext) => Promise<void> | void): void;
  /** Vitest's hook, for tests that can run here: where they cannot, there is nothing to prepare. */
  beforeAll(body: () => Promise<void> | void, needs?: Requirements): void;
  /** As {@link beforeAll}. */
  afterAll(body: () => Promise<void> | void, needs?: Requirements): void;
  /** As {@link beforeAll}. */
  afterEach(body: () => Promise<void> | void, needs?: Requirements): void;
}

/**
 * Opens a suite: makes its directory, and afterwards deletes what containers are left and fails when the host is not as it
 * was found. Containers that a test leaves behind are deleted by force, so a test need not delete what it is not about.
 *
 * @param shared - what every test of the suite needs.
 */
export function openSuite(shared: Requirements = { root: true }): Suite {
  let directory = "";
  let runtime: Command | undefined;
  let counter = 0;
  const tag = `e2e-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), `${tag}-`));
    runtime = new Command(directory);
  });

  afterEach(async () => {
    if (runtime === undefined) return;
    for (const id of readdirSync(runtime.root).filter((name) => !name.startsWith(".")))
      await runtime.invoke(["delete", "--force", id]);
  });

  afterAll(async () => {
    if (runtime === undefined) return;
    const left = readdirSync(runtime.root);
    const leaks = await settledLeaks(basename(directory));
    rmSync(directory, { recursive: true, force: true });
    expect(left, "files left in the state root").toEqual([]);
    expect(leaks, "left on the host").toEqual([]);
  });

  const isMet = (needs: Requirements = {}) => unmet({ ...shared, ...needs }) === undefined;
  const suite: Suite = {
    get directory() {
      return directory;
    },
    get runtime() {
      if (runtime === undefined) throw new Error("the suite is used before its tests run");
      return runtime;
    },
    tag,
    id: () => `${basename(directory)}-${counter++}`,
    bundle(edit) {
      const bundle = new Bundle(join(directory, `bundle-${counter++}`));
      mkdirSync(bundle.hostPath, { recursive: true });
      edit?.(bundle.config, bundle);
      return bundle.write();
    },
    async observe(bundle, ...verbs) {
      bundle.probing(...verbs);
      const { stdout } = await suite.runtime.succeed(["run", "--bundle", bundle.hostPath, suite.id()]);
      return new Observation(stdout);
    },
    run(bundle, ...options) {
      return suite.runtime.invoke(["run", ...options, "--bundle", bundle.hostPath, suite.id()]);
    },
    unmet: (needs) => unmet({ ...shared, ...needs }),
    test(name, needsOrBody, body?: (context: TestContext) => Promise<void> | void) {
      const needs = typeof needsOrBody === "function" ? {} : needsOrBody;
      const run = typeof needsOrBody === "function" ? needsOrBody : body;
      if (run === undefined) throw new Error(`test ${name} has no body`);
      const reason = suite.unmet(needs);
      vitestTest(name, async (context) => {
        if (reason !== undefined) {
          context.task.meta.skipReason = reason;
          context.skip(reason);
        }
        await run(context);
      });
    },
    beforeAll(body, needs) {
      if (isMet(needs)) beforeAll(body);
    },
    afterAll(body, needs) {
      if (isMet(needs)) afterAll(body);
    },
    afterEach(body, needs) {
      if (isMet(needs)) afterEach(body);
    },
  };
  return suite;
}

/** Leaks that are still there after the kernel had time to end what was killed. */
async function settledLeaks(tag: string): Promise<string[]> {
  let leaks = findLeaks(tag);
  for (const deadline = Date.now() + settlingMs; leaks.length > 0 && Date.now() < deadline; await sleep(20))
    leaks = findLeaks(tag);
  return leaks;
}
