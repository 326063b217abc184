import { RunletError } from "@runlet/errors";
import type { CreateOptions } from "@runlet/lifecycle";

const firstFd = 3;
/** @see proc(5), fcntl(2) */
const O_CLOEXEC = 0o2000000;

/**
 * Checks that the caller has left us the descriptors that a process of the container is to get, those from 3 on. Where one of
 * them is missing, the number is free for a descriptor of our own, which must not reach the container: it closes on execve(2),
 * which one that has come through execve(2) to us does not.
 *
 * @throws RunletError `ERR_RUNLET_USAGE`
 */
export function checkInheritedFds({
  listenFds = 0,
  preserveFds = 0,
}: Pick<CreateOptions, "listenFds" | "preserveFds">): void {
  const count = listenFds + preserveFds;
  for (let index = 0; index < count; index++) {
    if (isInherited(firstFd + index)) continue;
    throw new RunletError(
      "ERR_RUNLET_USAGE",
      `unable to stat preserved-fd ${index} (of ${count}): no such descriptor`,
      {
        hint: `leave the descriptors from ${firstFd} to ${firstFd + count - 1} open for this command, or ask for fewer`,
      },
    );
  }
}

function isInherited(fd: number): boolean {
  try {
    const information = process.getBuiltinModule("node:fs").readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
    const flags = /^flags:\s*([0-7]+)$/m.exec(information)?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
  } catch {
    return false;
  }
}
