import type { Uint32 } from "./integer.ts";

/**
 * What is particular to FreeBSD.
 *
 * @see config-freebsd.md
 */
export interface FreeBSD {
  /** Devices to expose beyond those of the ruleset. */
  devices?: FreeBSDDevice[];
  /** The container's jail. */
  jail?: FreeBSDJail;
}

/** A device of the host. */
export interface FreeBSDDevice {
  /** Path relative to `/dev`. */
  path: string;
  /** Permission bits. */
  mode?: Uint32;
}

/** A jail, jail(8). */
export interface FreeBSDJail {
  /** Name of the parent jail. */
  parent?: string;
  /** Whether host name and ids are the jail's own. */
  host?: "new" | "inherit";
  /** IPv4 addresses. */
  ip4?: "new" | "inherit" | "disable";
  /** IPv6 addresses. */
  ip6?: "new" | "inherit" | "disable";
  /** Network stack. */
  vnet?: "new" | "inherit";
  /** System V messages. Defaults to `new`. */
  sysvmsg?: "new" | "inherit" | "disable";
  /** System V semaphores. Defaults to `new`. */
  sysvsem?: "new" | "inherit" | "disable";
  /** System V shared memory. Defaults to `new`. */
  sysvshm?: "new" | "inherit" | "disable";
  /**
   * Which mounts are visible: 0 all, 1 those below the root, 2 the root alone. Defaults to 2.
   *
   * @asType integer
   * @minimum 0
   * @maximum 2
   */
  enforceStatfs?: number;
  /** What the jail may do. */
  allow?: FreeBSDJailAllow;
}

/** What a jail may do, jail(8) `allow.*`. */
export interface FreeBSDJailAllow {
  /** Change the host name. */
  setHostname?: boolean;
  /** Use raw sockets. */
  rawSockets?: boolean;
  /** Change file flags. */
  chflags?: boolean;
  /** File system types that may be mounted. */
  mount?: string[];
  /** Change quotas. */
  quotas?: boolean;
  /** Use sockets beyond IPv4, IPv6, unix and route. */
  socketAf?: boolean;
  /** Lock memory. */
  mlock?: boolean;
  /** Bind ports below 1024. */
  reservedPorts?: boolean;
  /** Have a superuser. */
  suser?: boolean;
}
