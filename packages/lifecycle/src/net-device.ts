import { closeSync, openSync } from "node:fs";
import { quote, RunletError, SyscallError } from "@runlet/errors";
import type { MoveNetDevice } from "@runlet/plan";
import { NetlinkSocket } from "@runlet/syscall";
import { addAddress, findLink, type Link, type LinkAddress, listAddresses, setLink } from "./link-message.ts";

/** A device that has moved. */
interface MovedDevice {
  readonly host: Link;
  readonly addresses: readonly LinkAddress[];
  /** Its index in the container's namespace. */
  index: number;
  /** Its name there. */
  name: string;
}

/**
 * The network devices of one container that is being made. A container that has come to be keeps them: the specification
 * forbids to move one out of its namespace again, and with the namespace the kernel hands a physical device back to the
 * host and destroys a virtual one. Of a container that does not come to be, {@link giveBack} takes them all back.
 *
 * @see config-linux.md#network-devices
 */
export class NetDevices implements Disposable {
  readonly #moved: MovedDevice[] = [];
  #namespaceFd = -1;

  /**
   * Moves a device of the host into the network namespace of a process, with its addresses, and brings it up.
   *
   * @param pid - the container's process.
   * @throws RunletError `ERR_RUNLET_NETWORK`; the device is where it was then, or {@link giveBack} brings it there.
   */
  move(pid: number, { from, hostName, name }: MoveNetDevice): void {
    if (this.#namespaceFd < 0) this.#namespaceFd = openSync(`/proc/${pid}/ns/net`, "r");
    try {
      using host = new NetlinkSocket();
      using container = new NetlinkSocket(this.#namespaceFd);
      // A template always finds a free number.
      if (!name.includes("%") && isPresent(container, name)) {
        throw new RunletError("ERR_RUNLET_NETWORK", `the container has a network device ${quote(name)} already`, {
          pointer: `${from}/name`,
          hint: 'give the device another "name" in the container; one that ends in %d gets a free number',
        });
      }
      const link = findLink(host, hostName);
      const addresses = listAddresses(host, link.index);
      // By a name of its own it can be found where its index and its name may both be taken.
      const passage = `rl-${link.index}`;
      setLink(host, link.index, { namespaceFd: this.#namespaceFd, name: passage });
      const device: MovedDevice = { host: link, addresses, index: findLink(container, passage).index, name: passage };
      this.#moved.push(device);
      setLink(container, device.index, { name });
      device.name = name;
      for (const address of addresses) addAddress(container, device.index, address, { before: hostName, after: name });
      setLink(container, device.index, { isUp: true });
    } catch (cause) {
      if (!(cause instanceof SyscallError)) throw cause;
      throw explain(cause, { hostName, name, pointer: from });
    }
  }

  /** Moves every device back to where it was, with its name, addresses and state. */
  giveBack(): void {
    if (this.#moved.length === 0) return;
    const hostNamespaceFd = openSync("/proc/self/ns/net", "r");
    try {
      using host = new NetlinkSocket();
      using container = new NetlinkSocket(this.#namespaceFd);
      const failures: unknown[] = [];
      for (const { host: link, addresses, index, name } of this.#moved.splice(0).reverse()) {
        try {
          setLink(container, index, { namespaceFd: hostNamespaceFd, name: link.name });
          const { index: hostIndex } = findLink(host, link.name);
          for (const address of addresses) addAddress(host, hostIndex, address, { before: name, after: link.name });
          if (link.isUp) setLink(host, hostIndex, { isUp: true });
        } catch (error) {
          // The others are lost with the namespace, if they do not leave it.
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    } finally {
      closeSync(hostNamespaceFd);
    }
  }

  [Symbol.dispose](): void {
    if (this.#namespaceFd >= 0) closeSync(this.#namespaceFd);
    this.#namespaceFd = -1;
  }
}

function isPresent(socket: NetlinkSocket, name: string): boolean {
  try {
    findLink(socket, name);
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ENODEV") return false;
    throw error;
  }
}

function explain(
  cause: SyscallError,
  { hostName, name, pointer }: { hostName: string; name: string; pointer: string },
): RunletError {
  const isMissing = cause.code === "ENODEV";
  const hints: Readonly<Record<string, string>> = {
    ENODEV: "`ip link` lists the network devices of the host",
    EINVAL: "this kind of device cannot leave its network namespace",
    EPERM: "moving a network device needs CAP_NET_ADMIN over the host's network namespace and the container's",
    EEXIST: 'give the device another "name" in the container',
    EBUSY: "something on the host uses the device, such as a bridge",
  };
  const message = isMissing
    ? `the host has no network device ${quote(hostName)}`
    : `the network device ${quote(hostName)} cannot be moved into the container as ${quote(name)}`;
  return new RunletError("ERR_RUNLET_NETWORK", message, {
    pointer,
    syscall: cause.syscall,
    errno: cause.code,
    hint: hints[cause.code],
    cause,
  });
}
