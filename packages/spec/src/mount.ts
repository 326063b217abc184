import type { LinuxIDMapping } from "./linux.ts";

/**
 * A mount beyond the root filesystem. Mounts are made in the order in which they are listed.
 *
 * @see config.md#mounts
 */
export interface Mount {
  /**
   * Where the mount is made, as a path inside the container. MUST be absolute on Linux.
   */
  destination: string;
  /** File system type, as `/proc/filesystems` lists them. Ignored for a bind mount, where `none` or `bind` is usual. */
  type?: string;
  /**
   * What is mounted: a device, a file system's own word, or for a bind mount a path on the host, absolute or relative to the
   * bundle. `options` with `bind` or `rbind` make it a bind mount.
   */
  source?: string;
  /** Options in fstab(5)'s style; those that the runtime does not know go to the file system. (config.md#linux-mount-options) */
  options?: string[];
  /**
   * User ids of the mount's file system, mapped as in a user namespace. MUST be given together with `gidMappings`. Without
   * them, `idmap` takes the container's own.
   */
  uidMappings?: LinuxIDMapping[];
  /** Group ids of the mount's file system. MUST be given together with `uidMappings`. */
  gidMappings?: LinuxIDMapping[];
}
