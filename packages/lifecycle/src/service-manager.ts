import { join } from "node:path";
import type { Mount, Spec } from "@runlet/spec";
import type { CreateOptions } from "./options.ts";
import { notifyDirectoryName } from "./state-directory.ts";

/** The directory in which a container finds the socket for its service manager, as with runc. */
export const notifyContainerPath = "/run/notify";

/** Name of that socket in its directory. */
export const notifySocketName = "notify.sock";

/**
 * The config with what a service manager gives the container beside it: passed sockets (sd_listen_fds(3)) and a socket to
 * report to (sd_notify(3)). It is compiled and not recorded, since other processes of the container get neither.
 *
 * @param directoryHostPath - directory of the container's state.
 */
export function forServiceManager(spec: Spec, options: CreateOptions, directoryHostPath: string): Spec {
  const { listenFds = 0, listenFdNames, hasNotifySocket = false } = options;
  if ((listenFds === 0 && !hasNotifySocket) || spec.process === undefined) return spec;
  const env = [...(spec.process.env ?? [])];
  if (listenFds > 0) {
    env.push(`LISTEN_FDS=${listenFds}`, "LISTEN_PID=1");
    if (listenFdNames !== undefined) env.push(`LISTEN_FDNAMES=${listenFdNames}`);
  }
  if (hasNotifySocket) env.push(`NOTIFY_SOCKET=${join(notifyContainerPath, notifySocketName)}`);
  const withEnv = { ...spec, process: { ...spec.process, env } };
  return hasNotifySocket ? withNotifyMount(withEnv, directoryHostPath) : withEnv;
}

/** The config with the mount by which a container sees the socket to report to. */
export function withNotifyMount(spec: Spec, directoryHostPath: string): Spec {
  const notifyMount: Mount = {
    destination: notifyContainerPath,
    source: join(directoryHostPath, notifyDirectoryName),
    options: ["bind", "nosuid", "noexec", "nodev", "ro"],
  };
  return { ...spec, mounts: [...(spec.mounts ?? []), notifyMount] };
}

/** How many descriptors from 3 on the container gets: the passed sockets come first. */
export function preservedFdCount({ listenFds = 0, preserveFds = 0 }: CreateOptions): number {
  return listenFds + preserveFds;
}
