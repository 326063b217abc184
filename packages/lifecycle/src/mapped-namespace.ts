import { constants } from "node:fs";
import { CLONE_NEW, type Descriptor } from "@runlet/plan";
import {
  closeFd,
  closeFds,
  openPath,
  SOCK_SEQPACKET,
  sendSignal,
  socketpair,
  startHelper,
  waitPidfd,
  waitReadable,
} from "@runlet/syscall";
import { writeIdMappings } from "./id-mapping.ts";

const SIGKILL = 9;

/**
 * A user namespace that exists for its id maps alone, for a mount that is to have them (MOUNT_ATTR_IDMAP). The process in
 * which it was made has ended when this returns.
 *
 * @returns its descriptor, the caller's.
 * @throws RunletError `ERR_RUNLET_ID_MAPPING`
 */
export async function openMappedNamespace(descriptor: Extract<Descriptor, { kind: "idmap" }>): Promise<number> {
  const { uidMappings, gidMappings, from } = descriptor;
  const opened = [openPath("/dev/null", constants.O_RDWR)];
  try {
    const [nullFd = -1] = opened;
    const [ourFd, theirFd] = socketpair(SOCK_SEQPACKET);
    opened.push(ourFd);
    // It waits for a plan that does not come.
    const starting = startHelper({ fds: [nullFd, nullFd, nullFd, theirFd], cloneFlags: CLONE_NEW.user });
    const child = await starting.started();
    try {
      await writeIdMappings(child.pid, {
        op: "writeIdMappings",
        uidMappings,
        gidMappings,
        setgroups: null,
        method: "direct",
        from,
      });
      return openPath(`/proc/${child.pid}/ns/user`, constants.O_RDONLY);
    } finally {
      sendSignal(child.pidfd, SIGKILL);
      await waitReadable(child.pidfd);
      waitPidfd(child.pidfd);
      closeFd(child.pidfd);
    }
  } finally {
    closeFds(opened);
  }
}
