import { closeSync } from "node:fs";
import {
  getWindowSize,
  isatty,
  keepNewlines,
  makeRaw,
  relayTerminal,
  restoreTerminal,
  setWindowSize,
  type TerminalRelay,
} from "@runlet/syscall";

/** Connects the terminal that this program was started on with the main end of a container's. */
export class TerminalSession implements Disposable {
  readonly #mainFd: number;
  /** The terminal that is in raw mode; undefined when none of our standard streams is one. */
  readonly #hostFd: number | undefined;
  readonly #relay: TerminalRelay;
  #restore: () => void = () => {};
  readonly #resize = () => this.#copySize();
  /** A shell that takes over while we are stopped leaves the terminal in a mode of its own. */
  readonly #resume = () => {
    this.#copySize();
    if (this.#hostFd !== undefined) makeRaw(this.#hostFd);
  };

  /**
   * Puts our terminal into raw mode, if there is one, and starts copying.
   *
   * @param mainFd - main end of the container's terminal; becomes the session's.
   */
  constructor(mainFd: number) {
    this.#mainFd = mainFd;
    this.#hostFd = [0, 1, 2].find((fd) => isatty(fd));
    try {
      keepNewlines(mainFd);
      this.#copySize();
      this.#enterRawMode();
      this.#relay = relayTerminal({ mainFd, inputFd: 0, outputFd: 1 });
    } catch (error) {
      this.#restore();
      closeSync(mainFd);
      throw error;
    }
    process.on("SIGWINCH", this.#resize);
    process.on("SIGCONT", this.#resume);
  }

  /** Waits until everything that the container wrote has been copied; for when it has ended. */
  async finish(): Promise<void> {
    this.#relay.finish();
    await this.#relay.ended;
  }

  /** Gives our terminal back its mode. Twice is no error. */
  [Symbol.dispose](): void {
    process.off("SIGWINCH", this.#resize);
    process.off("SIGCONT", this.#resume);
    process.off("exit", this.#restore);
    this.#restore();
    this.#restore = () => {};
    this.#relay.finish();
    closeSync(this.#mainFd);
  }

  #enterRawMode(): void {
    const hostFd = this.#hostFd;
    if (hostFd === undefined) return;
    const mode = makeRaw(hostFd);
    this.#restore = () => {
      try {
        restoreTerminal(hostFd, mode);
      } catch {
        // The terminal is gone: its window was closed.
      }
    };
    process.on("exit", this.#restore);
  }

  #copySize(): void {
    if (this.#hostFd === undefined) return;
    try {
      setWindowSize(this.#mainFd, getWindowSize(this.#hostFd));
    } catch {
      // One of both terminals is gone, so there is nothing left to resize.
    }
  }
}
