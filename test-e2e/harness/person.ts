import { spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { sleep } from "./command.ts";
import { terminalPath } from "./programs.ts";

/** A person at a terminal: what is typed, what is seen, and the size of the window. */
export class Person {
  readonly #input: Writable;
  readonly #resize: Writable;
  /** Exit status of the program at the terminal, 128+n by signal n. */
  readonly status: Promise<number | null>;
  /** All that the terminal has shown. */
  screen = "";

  /** @param args - of `init/terminal/terminal.c`. */
  constructor(args: readonly string[], env: Readonly<Record<string, string | undefined>> = process.env) {
    const child = spawn(terminalPath, args, { env, stdio: ["pipe", "pipe", "inherit", "pipe"] });
    this.#input = child.stdin as Writable;
    this.#resize = child.stdio[3] as Writable;
    (child.stdout as Readable).setEncoding("utf8").on("data", (text: string) => {
      this.screen += text;
    });
    this.status = new Promise((fulfil) => child.once("close", (status) => fulfil(status)));
  }

  /** Types. */
  type(text: string): void {
    this.#input.write(text);
  }

  /** Changes the size of the window. */
  resize(rows: number, columns: number): void {
    this.#resize.write(`${rows} ${columns}\n`);
  }

  /** Waits until the terminal has shown a text. */
  async see(text: string, timeoutMs = 10_000): Promise<void> {
    for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; ) {
      if (this.screen.includes(text)) return;
      await sleep(20);
    }
    throw new Error(
      `${JSON.stringify(text)} did not appear within ${timeoutMs} ms; the screen has ${JSON.stringify(this.screen)}`,
    );
  }
}
