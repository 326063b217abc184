import { RunletError } from "@runlet/errors";
import type { CreateOptions } from "@runlet/lifecycle";

const firstFd = 3;

/**
 * Checks that the caller has left us the descriptors that a process of the container is to get, those from 3 on. Where one of
 * them is missing, the number is free for a descriptor of our own, which must not reach the container: the first that Node,
 * Bun and the standalone executable open, and so the one at the lowest free number, is an epoll instance. Whether it closes on
 * execve(2) does not tell: Bun lets the caller's close, too.
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
    return process.getBuiltinModule("node:fs").readlinkSync(`/proc/self/fd/${fd}`) !== "anon_inode:[eventpoll]";
  } catch {
    return false;
  }
}
