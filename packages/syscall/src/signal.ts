import { closeSync, readSync } from "node:fs";
import { binding } from "./binding.ts";
import { check } from "./check.ts";
import { O_NONBLOCK, pipe } from "./socket.ts";
import { waitReadable } from "./watch.ts";

interface SignalBinding {
  catchSignals(numbers: readonly number[], pipeFd: number): number;
}

/**
 * Catches signals that JavaScript engines let no program catch, such as those of real time, for the whole process. Not those
 * that the engine or the C library needs for itself (SIGPWR in Bun; 32 and 33). As long as they are caught the process does not
 * end by itself.
 *
 * @param numbers - of signals, signal(7); one caller at a time.
 * @param onSignal - called with the number of each that comes.
 * @returns what gives them their default actions back when it is disposed of.
 * @throws {@link SyscallError} `EINVAL` for a number that no program may catch.
 */
export function catchNativeSignals(numbers: readonly number[], onSignal: (number: number) => void): Disposable {
  const [readFd, writeFd] = pipe(O_NONBLOCK);
  const end = new AbortController();
  const stop = () => {
    end.abort();
    binding<SignalBinding>().catchSignals(numbers, -1);
    closeSync(readFd);
    closeSync(writeFd);
  };
  const result = binding<SignalBinding>().catchSignals(numbers, writeFd);
  if (result < 0) stop();
  check(result, "rt_sigaction");
  const watch = async () => {
    while (!end.signal.aborted) {
      await waitReadable(readFd, end.signal);
      for (const number of readBytes(readFd)) onSignal(number);
    }
  };
  watch().catch((error: unknown) => {
    if (!end.signal.aborted) throw error;
  });
  return { [Symbol.dispose]: stop };
}

function readBytes(fd: number): Uint8Array {
  const bytes = new Uint8Array(64);
  try {
    return bytes.subarray(0, readSync(fd, bytes));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return new Uint8Array();
    throw error;
  }
}
