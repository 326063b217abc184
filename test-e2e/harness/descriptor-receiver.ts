import { closeSync, openSync, rmSync } from "node:fs";
import { basename, dirname } from "node:path";
import { acceptUnix, listenUnix, receiveMessage, SOCK_STREAM, waitReadable } from "@runlet/syscall";

/** What came with a message. */
export interface ReceivedDescriptor {
  readonly text: string;
  /** The receiver's to close. */
  readonly fd: number;
}

/** Listens on a Unix socket for a descriptor, as an engine does for a terminal or a pidfd. */
export class DescriptorReceiver implements Disposable {
  readonly hostPath: string;
  readonly #listenerFd: number;

  /** @param hostPath - of the socket, in a directory that exists. */
  constructor(hostPath: string) {
    this.hostPath = hostPath;
    const directoryFd = openSync(dirname(hostPath), "r");
    try {
      this.#listenerFd = listenUnix(directoryFd, basename(hostPath), SOCK_STREAM);
    } finally {
      closeSync(directoryFd);
    }
  }

  /** Takes the descriptor that comes with the first message. */
  async receive(): Promise<ReceivedDescriptor> {
    const connectionFd = await this.#accept();
    try {
      for (;;) {
        await waitReadable(connectionFd);
        const message = receiveMessage(connectionFd, 256);
        if (message === null) continue;
        const [fd, ...others] = message.fds;
        for (const other of others) closeSync(other);
        if (fd === undefined) throw new Error("a message without a descriptor");
        return { text: Buffer.from(message.bytes).toString(), fd };
      }
    } finally {
      closeSync(connectionFd);
    }
  }

  /** Goes away as soon as somebody has connected. */
  async hangUp(): Promise<void> {
    closeSync(await this.#accept());
  }

  async #accept(): Promise<number> {
    await waitReadable(this.#listenerFd);
    return acceptUnix(this.#listenerFd);
  }

  [Symbol.dispose](): void {
    closeSync(this.#listenerFd);
    rmSync(this.hostPath, { force: true });
  }
}
