import type { Container, CreateOptions, Runtime } from "@runlet/lifecycle";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What the service manager that has started this program gives a new container.
 *
 * @param pid - of this program: descriptors that were meant for another one are not passed on.
 * @see sd_listen_fds(3), sd_notify(3)
 */
export function serviceManagerRequest(
  env: Environment,
  pid: number,
): Pick<CreateOptions, "listenFds" | "listenFdNames" | "hasNotifySocket"> {
  const { LISTEN_FDS: count = "", LISTEN_PID: receiver, LISTEN_FDNAMES: names } = env;
  const hasSockets = receiver === String(pid) && /^[1-9]\d{0,4}$/.test(count);
  return {
    ...(hasSockets ? { listenFds: Number(count) } : {}),
    ...(hasSockets && names !== undefined ? { listenFdNames: names } : {}),
    ...(notifySocketOf(env) === undefined ? {} : { hasNotifySocket: true }),
  };
}

/**
 * Starts a container, and from then on takes its word that it is ready to the service manager, where there is one.
 *
 * @returns settles when that is done, or the container has ended; at once without a service manager.
 */
export async function startForServiceManager(
  runtime: Runtime,
  container: Container,
  env: Environment,
): Promise<{ readonly relayed: Promise<void> }> {
  const notifySocket = notifySocketOf(env);
  const relay = notifySocket === undefined ? null : await runtime.openReadinessRelay(container.id, notifySocket);
  try {
    await container.start();
  } catch (error) {
    relay?.[Symbol.dispose]();
    throw error;
  }
  if (relay === null) return { relayed: Promise.resolve() };
  return { relayed: relay.relay(container.pid).finally(() => relay[Symbol.dispose]()) };
}

function notifySocketOf({ NOTIFY_SOCKET: notifySocket = "" }: Environment): string | undefined {
  return notifySocket === "" ? undefined : notifySocket;
}
