import { expect } from "vitest";
import type { Config } from "./bundle.ts";
import type { Result } from "./command.ts";
import { Observation } from "./observation.ts";
import type { Suite } from "./suite.ts";

/** Runs the probe in containers that run, by the runtime's `exec`. */
export class ExecProbe {
  readonly #suite: Suite;

  constructor(suite: Suite) {
    this.#suite = suite;
  }

  /**
   * Starts a container.
   *
   * @param verbs - what it does. Default: it waits.
   * @returns its id.
   */
  async start(edit: (config: Config) => void = () => {}, ...verbs: readonly string[]): Promise<string> {
    const id = this.#suite.id();
    const bundle = this.#suite.bundle(edit).probing(...(verbs.length === 0 ? ["wait"] : verbs));
    await this.#suite.runtime.succeed(["run", "--detach", "--bundle", bundle.hostPath, id]);
    return id;
  }

  /** Executes the probe in a container. */
  exec(id: string, options: readonly string[], ...verbs: readonly string[]): Promise<Result> {
    return this.#suite.runtime.invoke(["exec", ...options, id, "/probe", ...verbs]);
  }

  /** The same, of a probe that ends well: what it has seen. */
  async see(id: string, options: readonly string[], ...verbs: readonly string[]): Promise<Observation> {
    const { status, stdout, stderr } = await this.exec(id, options, ...verbs);
    expect(status, stderr).toBe(0);
    return new Observation(stdout);
  }
}
