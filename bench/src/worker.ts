import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/** A process that answers each line with one line: the clock stands beside what it measures, not in us. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #waiting: { fulfil: (line: string) => void; reject: (error: Error) => void }[] = [];
  #ended: Error | undefined;

  constructor(argv: readonly string[]) {
    const [program = "", ...args] = argv;
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#input = this.#child.stdin as Writable;
    // A worker that died is told by its `exit`.
    this.#input.on("error", () => undefined);
    createInterface({ input: this.#child.stdout as Readable }).on("line", (line) =>
      this.#waiting.shift()?.fulfil(line),
    );
    const end = (why: string) => {
      this.#ended = new Error(`${argv.join(" ")} ${why}`);
      for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
    };
    this.#child.once("error", (error) => end(error.message));
    this.#child.once("exit", (status, signal) => end(`ended with ${signal ?? `status ${status}`}`));
  }

  /** Sends a line and waits for its answer. */
  ask(line: string): Promise<string> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((fulfil, reject) => {
      this.#waiting.push({ fulfil, reject });
      this.#input.write(`${line}\n`);
    });
  }

  close(): void {
    this.#input.end();
  }
}
