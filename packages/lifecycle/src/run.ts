import type { Readable } from "node:stream";
import { RunletError } from "@runlet/errors";
import type { Container } from "./container.ts";
import type { ImageCreateOptions } from "./image-provider.ts";
import type { CreateOptions, ExitInfo } from "./options.ts";

interface RunBehaviour {
  /** Id of the container. Default: one that no other has. */
  readonly id?: string;
  /** Text for standard input, which ends after it. Default none. Only with `stdio: "pipe"`. */
  readonly input?: string | Uint8Array;
  /** More output than this ends the container. Default 64 MiB, standard output and error together. */
  readonly maxOutputBytes?: number;
}

/** Options of `Runtime.run`: a bundle or an image, and what `create` takes. */
export type RunOptions = RunBehaviour & (CreateOptions | ImageCreateOptions);

/** How a container that was run ended, and what it wrote; nothing where `stdio` is not `pipe`. */
export interface RunResult extends ExitInfo {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

const defaultMaxOutputBytes = 64 << 20;
let runs = 0;

/** An id for a container that nobody has named. */
export function unnamedId(): string {
  const random = Math.floor(Math.random() * 2 ** 40).toString(36);
  return `run-${process.pid}-${++runs}-${random}`;
}

/**
 * Runs a created container to its end.
 *
 * @throws RunletError as `Container.start`; `ERR_RUNLET_USAGE` for more output than is wanted. The container is there still.
 */
export async function runToEnd(container: Container, options: RunOptions): Promise<RunResult> {
  const isPiped = (options.stdio ?? "pipe") === "pipe" && container.hasStreams;
  const output = isPiped ? new Output(container, options.maxOutputBytes ?? defaultMaxOutputBytes) : undefined;
  await container.start();
  if (isPiped) {
    // Whoever ends without reading does not want the rest.
    container.stdin.on("error", () => {});
    container.stdin.end(options.input ?? "");
  }
  const [exit, streams] = await Promise.all([container.wait(), output?.finish()]);
  return { ...exit, stdout: streams?.stdout ?? Buffer.alloc(0), stderr: streams?.stderr ?? Buffer.alloc(0) };
}

/** Gathers both streams as they come, lest the container wait for a reader. */
class Output {
  readonly #limitBytes: number;
  readonly #container: Container;
  readonly #finished: Promise<{ stdout: Buffer; stderr: Buffer }>;
  #bytes = 0;

  constructor(container: Container, limitBytes: number) {
    this.#container = container;
    this.#limitBytes = limitBytes;
    const both = [this.#gather(container.stdout), this.#gather(container.stderr)] as const;
    this.#finished = Promise.all(both).then(([stdout, stderr]) => ({ stdout, stderr }));
    // Told to whoever waits; until then it is nobody's.
    this.#finished.catch(() => {});
  }

  finish(): Promise<{ stdout: Buffer; stderr: Buffer }> {
    return this.#finished;
  }

  async #gather(stream: Readable): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      this.#bytes += chunk.length;
      if (this.#bytes > this.#limitBytes) {
        await this.#container.kill("SIGKILL").catch(() => {});
        throw new RunletError(
          "ERR_RUNLET_USAGE",
          `container ${this.#container.id} wrote more than ${this.#limitBytes} bytes`,
          {
            hint: "raise maxOutputBytes, or create the container and read its streams as they come",
          },
        );
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }
}
