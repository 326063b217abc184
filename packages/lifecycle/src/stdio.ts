import { constants, readlinkSync, readSync, writeSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { RunletError } from "@runlet/errors";
import { closeFd, openPath, pipe, setNonblocking, waitReadable, waitWritable } from "@runlet/syscall";
import type { ContainerStreams, Stdio } from "./options.ts";

/** The descriptors of a container's standard streams while it is being made. */
export interface StandardDescriptors {
  /** Descriptors 0, 1 and 2 of the container. */
  readonly fds: readonly [number, number, number];
  /** What these are open on, `/dev/null`; null where that has to be looked for. */
  readonly links: readonly string[] | null;
  /** The caller's ends of the pipes: of stdin the writing one, of the others the reading ones. */
  readonly pipeFds: readonly [number, number, number] | null;
  /** Closes what was opened for the container and stays the caller's no longer. */
  closeContainerEnds(): void;
  /** Closes the caller's ends, when the container did not come to be. */
  closePipes(): void;
}

const nullHostPath = "/dev/null";
const nullLinks = [nullHostPath, nullHostPath, nullHostPath] as const;

/** Opens what `stdio` asks for. */
export function openStandardDescriptors(stdio: Stdio): StandardDescriptors {
  const nothing = () => {};
  const kept = { links: null, pipeFds: null, closeContainerEnds: nothing, closePipes: nothing };
  if (stdio === "inherit") return { ...kept, fds: [0, 1, 2] };
  if (stdio === "null") {
    const fd = openPath(nullHostPath, constants.O_RDWR);
    return {
      fds: [fd, fd, fd],
      links: nullLinks,
      pipeFds: null,
      closeContainerEnds: () => closeFd(fd),
      closePipes: nothing,
    };
  }
  if (stdio !== "pipe") {
    if (!Array.isArray(stdio) || stdio.length !== 3 || !stdio.every((fd) => Number.isInteger(fd) && fd >= 0)) {
      throw new RunletError("ERR_RUNLET_USAGE", "stdio must be `inherit`, `null`, `pipe` or three descriptors");
    }
    const [input, output, error] = stdio as [number, number, number];
    return { ...kept, fds: [input, output, error] };
  }
  const opened: number[] = [];
  try {
    const [input, output, error] = [pipe(), pipe(), pipe()].map((ends) => {
      opened.push(...ends);
      return ends;
    }) as [[number, number], [number, number], [number, number]];
    const fds = [input[0], output[1], error[1]] as const;
    const pipeFds = [input[1], output[0], error[0]] as const;
    for (const fd of pipeFds) setNonblocking(fd);
    return {
      fds,
      links: null,
      pipeFds,
      closeContainerEnds: () => fds.forEach(closeFd),
      closePipes: () => pipeFds.forEach(closeFd),
    };
  } catch (error) {
    opened.forEach(closeFd);
    throw error;
  }
}

/**
 * What descriptors of this process are open on: `pipe:[12345]`, `/dev/null`.
 *
 * @throws RunletError `ERR_RUNLET_USAGE` for one that is not open.
 */
export function linksOf(fds: readonly number[]): string[] {
  const links = new Map<number, string>();
  return fds.map((fd) => {
    const known = links.get(fd);
    if (known !== undefined) return known;
    try {
      const link = readlinkSync(`/proc/self/fd/${fd}`);
      links.set(fd, link);
      return link;
    } catch (cause) {
      throw new RunletError("ERR_RUNLET_USAGE", `the descriptor ${fd} is to be a standard stream, and is not open`, {
        cause,
      });
    }
  });
}

/**
 * Node streams over the caller's ends of the pipes. They wait by epoll and not in libuv's threads, of which hundreds of
 * containers would leave none, and they are the same on Node and Bun.
 *
 * @param pipeFds - become the streams'.
 */
export async function openStreams(pipeFds: readonly [number, number, number]): Promise<ContainerStreams> {
  const stream = await import("node:stream");
  return {
    stdin: writePipe(stream, pipeFds[0]),
    stdout: readPipe(stream, pipeFds[1]),
    stderr: readPipe(stream, pipeFds[2]),
  };
}

type StreamModule = Pick<typeof import("node:stream"), "Readable" | "Writable">;
const chunkBytes = 65_536;

function isWaiting(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "EAGAIN";
}

/** A wait in progress is broken off before its descriptor is closed. */
function closePipe(
  fd: number,
  waiting: AbortController,
  error: Error | null,
  callback: (error?: Error | null) => void,
) {
  waiting.abort();
  closeFd(fd);
  callback(error);
}

function readPipe({ Readable }: StreamModule, fd: number): Readable {
  const waiting = new AbortController();
  const buffer = Buffer.allocUnsafe(chunkBytes);
  const readable = new Readable({
    read() {
      void readChunk();
    },
    destroy: (error, callback) => closePipe(fd, waiting, error, callback),
  });
  async function readChunk(): Promise<void> {
    for (;;) {
      try {
        const length = readSync(fd, buffer, 0, chunkBytes, null);
        readable.push(length === 0 ? null : Buffer.from(buffer.subarray(0, length)));
        return;
      } catch (error) {
        if (readable.destroyed) return;
        if (!isWaiting(error)) {
          readable.destroy(error as Error);
          return;
        }
      }
      try {
        await waitReadable(fd, waiting.signal);
      } catch (error) {
        if (!readable.destroyed) readable.destroy(error as Error);
        return;
      }
    }
  }
  return readable;
}

function writePipe({ Writable }: StreamModule, fd: number): Writable {
  const waiting = new AbortController();
  return new Writable({
    write(chunk: Buffer, _encoding, callback) {
      writeAll(fd, chunk, waiting.signal).then(() => callback(), callback);
    },
    destroy: (error, callback) => closePipe(fd, waiting, error, callback),
  });
}

async function writeAll(fd: number, chunk: Buffer, signal: AbortSignal): Promise<void> {
  for (let written = 0; written < chunk.length; ) {
    try {
      written += writeSync(fd, chunk, written);
    } catch (error) {
      if (!isWaiting(error)) throw error;
      await waitWritable(fd, signal);
    }
  }
}
