import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunningCommand } from "../../harness/command.ts";
import { waitUntil } from "../../harness/patience.ts";
import type { Scene } from "./scene.ts";

/** Longer than any run. */
const foreverMs = 2 ** 31 - 1;

/** What keeps running in a scene and can be stopped and started again. */
export class Daemon {
  readonly #scene: Scene;
  readonly #argv: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  readonly #probe: readonly string[];
  readonly #pidPath: string;
  #running: RunningCommand | undefined;

  /** @param options.probe - a command of the scene that succeeds as soon as the daemon answers. */
  constructor(options: {
    scene: Scene;
    argv: readonly string[];
    env?: Readonly<Record<string, string>>;
    probe: readonly string[];
  }) {
    this.#scene = options.scene;
    this.#argv = options.argv;
    this.#env = options.env ?? {};
    this.#probe = options.probe;
    this.#pidPath = join(options.scene.directory, `${options.argv[0]}.pid`);
  }

  /** Starts it and waits until it answers. */
  async start(): Promise<void> {
    // Its process id in the scene, which nsenter does not tell.
    const script = 'echo $$ > "$1"; shift; exec "$@"';
    const argv = ["sh", "-c", script, "sh", this.#pidPath, ...this.#argv];
    const running = this.#scene.start(argv, { env: this.#env, timeoutMs: foreverMs });
    if (this.#running === undefined) this.#scene.beforeClose(() => this.stop());
    this.#running = running;
    let hasEnded = false;
    void running.ended.then(() => {
      hasEnded = true;
    });
    const answers = await waitUntil({
      look: async () => (await this.#scene.run(this.#probe)).status === 0,
      until: (seen) => seen || hasEnded,
      complain: () => `${this.#argv[0]} does not answer:\n${running.stderr().slice(-4000)}`,
      everyMs: 100,
    });
    if (!answers) throw new Error(`${this.#argv[0]} has ended:\n${running.stderr().slice(-4000)}`);
  }

  /** Ends it with SIGTERM and waits until it is gone. */
  async stop(): Promise<void> {
    // It may have ended by itself, which is seen below.
    await this.#scene.run(["kill", readFileSync(this.#pidPath, "utf8").trim()]);
    await this.#running?.ended;
  }
}
