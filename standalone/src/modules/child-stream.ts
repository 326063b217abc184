import * as system from "runlet:system";
import { Buffer } from "../globals/buffer.ts";
import { EventEmitter } from "./event-emitter.ts";
import { closeSync } from "./fs.ts";
import { systemError } from "./system-error.ts";

const POLLIN = 1;
const POLLOUT = 4;

/** As much as a pipe takes without blocking when poll(2) says that it takes something: PIPE_BUF, see pipe(7). */
const pipeBytes = 4096;
/** As much as a pipe holds unless it was told otherwise. */
const chunkBytes = 65_536;

/** One of our ends of a child's standard streams. */
abstract class PipeEnd<Events extends Record<string, unknown[]>> extends EventEmitter<Events> {
  protected fd: number;
  #watch = 0;
  readonly #onClose: () => void;

  /** @param fd - becomes the stream's; -1 for none. */
  constructor(fd: number, onClose: () => void) {
    super();
    this.fd = fd;
    this.#onClose = onClose;
    if (fd < 0) onClose();
  }

  protected watch(events: number, onReady: () => void): void {
    this.#watch = system.watchDescriptor(this.fd, events, onReady);
    if (this.#watch < 0) throw systemError(this.#watch, "poll");
  }

  destroy(): void {
    if (this.fd < 0) return;
    if (this.#watch > 0) system.unwatchDescriptor(this.#watch);
    closeSync(this.fd);
    this.fd = -1;
    this.#onClose();
  }
}

interface InputEvents extends Record<string, unknown[]> {
  error: [Error];
}

/** The end of a pipe that a child reads. */
export class PipeInput extends PipeEnd<InputEvents> {
  #rest: Uint8Array = new Uint8Array();

  /** Writes a text and closes the pipe after it. */
  end(text: string): void {
    if (this.fd < 0) return;
    this.#rest = Buffer.from(text);
    this.#write();
    if (this.fd >= 0) this.watch(POLLOUT, () => this.#write());
  }

  /** Writes as much as the pipe takes. A new pipe takes something. */
  #write(): void {
    if (this.#rest.length > 0) {
      const result = system.write(this.fd, this.#rest, 0, Math.min(this.#rest.length, pipeBytes), -1);
      if (result < 0) {
        this.destroy();
        this.emit("error", systemError(result, "write"));
        return;
      }
      this.#rest = this.#rest.subarray(result);
    }
    if (this.#rest.length === 0) this.destroy();
  }
}

interface OutputEvents extends Record<string, unknown[]> {
  data: [Buffer];
  error: [Error];
}

/** The end of a pipe that a child writes. */
export class PipeOutput extends PipeEnd<OutputEvents> {
  begin(): void {
    if (this.fd >= 0) this.watch(POLLIN, () => this.#read());
  }

  #read(): void {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    const length = system.read(this.fd, chunk, 0, chunkBytes, -1);
    if (length > 0) {
      this.emit("data", new Buffer(chunk.buffer as ArrayBuffer, 0, length));
      return;
    }
    this.destroy();
    if (length < 0) this.emit("error", systemError(length, "read"));
  }
}

export type ChildInput = Pick<PipeInput, "on" | "once" | "end" | "destroy">;
export type ChildOutput = Pick<PipeOutput, "on" | "once" | "begin" | "destroy">;
