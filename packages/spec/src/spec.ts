import type { FreeBSD } from "./freebsd.ts";
import type { Hooks } from "./hooks.ts";
import type { Linux } from "./linux.ts";
import type { Mount } from "./mount.ts";
import type { Process } from "./process.ts";
import type { Solaris } from "./solaris.ts";
import type { VM } from "./vm.ts";
import type { Windows } from "./windows.ts";
import type { ZOS } from "./zos.ts";

/**
 * A container's `config.json`, as the OCI runtime specification 1.3.0 defines it.
 *
 * @see config.md
 */
export interface Spec {
  /** Version of the specification that the bundle complies with, in SemVer 2.0.0. MUST be set. (config.md#specification-version) */
  ociVersion: string;
  /** The container's root filesystem. REQUIRED on every platform but Windows with Hyper-V. (config.md#root) */
  root?: Root;
  /** Mounts beyond the root, in the order in which they are to be made. (config.md#mounts) */
  mounts?: Mount[];
  /** The container's process. REQUIRED when `start` is called. (config.md#process) */
  process?: Process;
  /** Host name as seen by the container's processes. On Linux it needs a uts namespace. (config.md#hostname) */
  hostname?: string;
  /** NIS domain name as seen by the container's processes. On Linux it needs a uts namespace. (config.md#domainname) */
  domainname?: string;
  /** Programs to run at events of the container's life. (config.md#posix-platform-hooks) */
  hooks?: Hooks;
  /**
   * Arbitrary metadata. Keys MUST NOT be empty and SHOULD be named in reverse domain notation; `org.opencontainers` is reserved.
   * (config.md#annotations)
   */
  annotations?: Record<string, string>;
  /** What is particular to Linux. (config-linux.md) */
  linux?: Linux;
  /** What is particular to FreeBSD. (config-freebsd.md) */
  freebsd?: FreeBSD;
  /** What is particular to Windows. (config-windows.md) */
  windows?: Windows;
  /** What is particular to Solaris. (config-solaris.md) */
  solaris?: Solaris;
  /** What is particular to containers in virtual machines. (config-vm.md) */
  vm?: VM;
  /** What is particular to z/OS. (config-zos.md) */
  zos?: ZOS;
}

/**
 * The container's root filesystem.
 *
 * @see config.md#root
 */
export interface Root {
  /**
   * Path of the root filesystem on the host: absolute, or relative to the bundle. On POSIX platforms a directory MUST exist
   * there; by convention it is named `rootfs`.
   */
  path: string;
  /** Whether the root filesystem MUST be read-only inside the container. Defaults to false; MUST be omitted or false on Windows. */
  readonly?: boolean;
}
