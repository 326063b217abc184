import { spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { waitUntil } from "./patience.ts";
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
  async see(text: string): Promise<void> {
    await waitUntil({
      look: () => this.screen,
      until: (screen) => screen.includes(text),
      complain: (screen) => `${JSON.stringify(text)} did not appear; the screen has ${JSON.stringify(screen)}`,
    });
  }

  /** Types a command line again and again until its answer is there, which may take a moment to become true. */
  async ask(commandLine: string, answer: string): Promise<void> {
    const asked = waitUntil({
      look: () => {
        if (!this.screen.includes(answer)) this.type(`${commandLine}\r`);
        return this.screen;
      },
      until: (screen) => screen.includes(answer),
      complain: (screen) =>
        `${commandLine} did not answer ${JSON.stringify(answer)}; the screen has ${JSON.stringify(screen)}`,
      everyMs: 500,
    });
    await asked;
  }
}
