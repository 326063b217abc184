import type { PropagationFlag } from "./kernel.ts";
import type { Base, MountAttributes, Slot } from "./operation-base.ts";

/** Where a mount's content comes from. */
export type MountSource =
  /** A new instance of a file system: fsopen(2), one fsconfig(2) for each option, fsmount(2). */
  | {
      readonly kind: "filesystem";
      readonly type: string;
      readonly source: string | null;
      readonly options: readonly MountOption[];
      /**
       * Lower directories of an overlay, the topmost first, for the option `lowerdir` where their paths are more than
       * fsconfig(2) takes for one value: they are opened, and their numbers looked up in /proc/self/fd.
       */
      readonly layerHostPaths?: readonly string[];
    }
  /** A clone of a tree of the host: open_tree(2) with OPEN_TREE_CLONE. */
  | { readonly kind: "bind"; readonly hostPath: string; readonly recursive: boolean }
  /** A tree that the parent opened, for what the helper cannot reach or map itself. */
  | { readonly kind: "descriptor"; readonly slot: Slot };

/** One option of a file system: a flag has no value. */
export interface MountOption {
  readonly key: string;
  readonly value: string | null;
}

/** `setRootPropagation`: propagation of the whole tree of mounts that the new mount namespace inherited. */
export interface SetRootPropagation extends Base {
  readonly op: "setRootPropagation";
  readonly propagation: readonly PropagationFlag[];
  /**
   * Whether the mount that holds the root file system is made private first, where it is shared: pivot_root(2) refuses a
   * shared parent.
   */
  readonly privateParentOf: string | null;
}

/** `bindRoot`: makes the root file system a mount of its own; the helper holds its descriptor from then on. */
export interface BindRoot extends Base {
  readonly op: "bindRoot";
  readonly hostPath: string;
  /**
   * The tree that the parent opened, where the container's root may be nobody to the directories that lead to it: it is
   * attached over the host's root, which hides nothing from a process whose root that is. Null: a bind over itself.
   */
  readonly treeSlot: Slot | null;
}

/**
 * `openRoot`: the helper's descriptor of the root file system where there is no mount namespace of the container's own:
 * in place of `bindRoot`, since a mount would be the host's.
 */
export interface OpenRoot extends Base {
  readonly op: "openRoot";
  readonly hostPath: string;
}

/** What tells one file of the host from all others, stat(2). */
export interface FileIdentity {
  /** Major number of the device. */
  readonly major: number;
  /** Minor number of the device. */
  readonly minor: number;
  readonly inode: bigint;
}

/**
 * `joinRoot`: the helper's hold on the root of a container that it has joined, verified; the host's procfs is closed. From
 * then on nothing of the host is open.
 */
export interface JoinRoot extends Base {
  readonly op: "joinRoot";
  /** The root of the container's process, for chroot(2). Null: the root of the mount namespace that has been joined. */
  readonly slot: Slot | null;
  /** The root must be one of these. */
  readonly identities: readonly FileIdentity[];
}

/** `makeDirectory`: a directory below the root and its parents, mode 0755; one that is there already is kept. */
export interface MakeDirectory extends Base {
  readonly op: "makeDirectory";
  readonly containerPath: string;
}

/** `mount`: attaches a mount below the root, resolved by descriptor. */
export interface Mount extends Base {
  readonly op: "mount";
  readonly source: MountSource;
  /** Absolute path as the container sees it. */
  readonly containerPath: string;
  readonly attributes: MountAttributes;
  /** Attributes of the whole subtree (`rro` and its kind). */
  readonly recursiveAttributes: MountAttributes;
  readonly propagation: readonly PropagationFlag[];
  /** The user namespace that maps the mount's ids. */
  readonly idmapSlot: Slot | null;
  readonly idmapRecursive: boolean;
  /** Copies what the directory holds into the new file system before covering it. */
  readonly copyUp: boolean;
  /** Gives the root of the new file system the permission bits of the directory that it covers, where that was there. */
  readonly keepMode?: boolean;
  /** Whether a missing target is made, as a directory or as an empty file to fit the source. */
  readonly createTarget: boolean;
  /** Refuses a target that was reached through a symbolic link: `proc` and `sysfs`, CVE-2019-19921. */
  readonly plainTarget: boolean;
  /** What to do when the kernel refuses with EPERM: `bind` the host's own instance (sysfs, rootless), or fail. */
  readonly fallbackHostPath: string | null;
}

/** `remount`: changes the attributes of what is already mounted at a path. */
export interface Remount extends Base {
  readonly op: "remount";
  readonly containerPath: string;
  readonly attributes: MountAttributes;
  readonly recursiveAttributes: MountAttributes;
  readonly propagation: readonly PropagationFlag[];
}

/** `makeDevice`: mknod(2), or a bind of the host's node where mknod is not permitted. */
export interface MakeDevice extends Base {
  readonly op: "makeDevice";
  readonly containerPath: string;
  readonly type: "c" | "b" | "u" | "p";
  readonly major: number;
  readonly minor: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Binds the host's node of the same path instead: inside a user namespace mknod(2) is not permitted. */
  readonly bind: boolean;
}

/** `symlink`: a symbolic link in the root file system; one that is there already with the same target is kept. */
export interface Symlink extends Base {
  readonly op: "symlink";
  readonly containerPath: string;
  readonly target: string;
}

/** `openConsole`: a pseudo-terminal of the container's devpts; its main end goes to the parent. */
export interface OpenConsole extends Base {
  readonly op: "openConsole";
  /** Rows and columns, or 0 to leave them. */
  readonly height: number;
  readonly width: number;
  /** Whether it is bound over /dev/console. */
  readonly bind: boolean;
}

/** `maskPath`: covers a path with /dev/null or an empty directory; a missing one is left out. */
export interface MaskPath extends Base {
  readonly op: "maskPath";
  readonly containerPath: string;
}

/** `makePathReadonly`: covers a path with itself, read-only; a missing one is left out. */
export interface MakePathReadonly extends Base {
  readonly op: "makePathReadonly";
  readonly containerPath: string;
}

/**
 * `enterRoot`: makes the root file system `/`. Standard streams that are open on the host's null device get the container's.
 */
export interface EnterRoot extends Base {
  readonly op: "enterRoot";
  /**
   * `pivot` is pivot_root(2) and the old root detached; `move` is MS_MOVE and chroot(2), for a root on a ramfs;
   * `chroot` is chroot(2) alone, where there is no mount namespace of the container's own.
   */
  readonly method: "pivot" | "move" | "chroot";
}

/** `setRootReadonly`: MOUNT_ATTR_RDONLY on the root mount. */
export interface SetRootReadonly extends Base {
  readonly op: "setRootReadonly";
}

/** `setPropagation`: propagation of the container's root after it has become `/`. */
export interface SetPropagation extends Base {
  readonly op: "setPropagation";
  readonly propagation: readonly PropagationFlag[];
}
