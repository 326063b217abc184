import { MOUNT_ATTR, type MountAttribute, type PropagationFlag } from "./kernel.ts";
import type { MountAttributes, MountOption } from "./operation.ts";

/** The options of a mount, sorted by what carries them out. */
export interface ParsedMountOptions {
  /** `bind` or `rbind`. */
  readonly bind: "no" | "bind" | "rbind";
  readonly remount: boolean;
  readonly attributes: MountAttributes;
  readonly recursiveAttributes: MountAttributes;
  /** In the order given; each is a change of its own, since `slave` and then `shared` is both. */
  readonly propagations: readonly (readonly PropagationFlag[])[];
  /** Options of the superblock that every file system has: `sync`, `lazytime`. */
  readonly superblock: readonly string[];
  /** What is left, for the file system: split at the first `=`. */
  readonly data: readonly MountOption[];
  readonly idmap: "no" | "idmap" | "ridmap";
  readonly tmpcopyup: boolean;
  /** `iversion`, which fsconfig(2) has no word for. */
  readonly iversion: boolean;
}

/** What an option does to a set of attributes. */
type AttributeChange =
  | { readonly set: MountAttribute }
  | { readonly clear: MountAttribute }
  /** The access-time modes are one field. */
  | { readonly atime: AtimeMode }
  /** Takes a mode back that an earlier option has set, and leaves the field alone otherwise. */
  | { readonly notAtime: AtimeMode };

type AtimeMode = "MOUNT_ATTR_RELATIME" | "MOUNT_ATTR_NOATIME" | "MOUNT_ATTR_STRICTATIME";

/** Options that change attributes of the mount; each has a form with `r` in front for the whole tree. @see mount_setattr(2) */
const attributeOptions: Readonly<Record<string, AttributeChange>> = {
  ro: { set: "MOUNT_ATTR_RDONLY" },
  rw: { clear: "MOUNT_ATTR_RDONLY" },
  nosuid: { set: "MOUNT_ATTR_NOSUID" },
  suid: { clear: "MOUNT_ATTR_NOSUID" },
  nodev: { set: "MOUNT_ATTR_NODEV" },
  dev: { clear: "MOUNT_ATTR_NODEV" },
  noexec: { set: "MOUNT_ATTR_NOEXEC" },
  exec: { clear: "MOUNT_ATTR_NOEXEC" },
  nodiratime: { set: "MOUNT_ATTR_NODIRATIME" },
  diratime: { clear: "MOUNT_ATTR_NODIRATIME" },
  nosymfollow: { set: "MOUNT_ATTR_NOSYMFOLLOW" },
  symfollow: { clear: "MOUNT_ATTR_NOSYMFOLLOW" },
  relatime: { atime: "MOUNT_ATTR_RELATIME" },
  norelatime: { notAtime: "MOUNT_ATTR_RELATIME" },
  noatime: { atime: "MOUNT_ATTR_NOATIME" },
  // Without NOATIME and STRICTATIME the kernel's mode is RELATIME.
  atime: { atime: "MOUNT_ATTR_RELATIME" },
  strictatime: { atime: "MOUNT_ATTR_STRICTATIME" },
  nostrictatime: { atime: "MOUNT_ATTR_RELATIME" },
};

const propagationOptions: Readonly<Record<string, readonly PropagationFlag[]>> = {
  shared: ["MS_SHARED"],
  slave: ["MS_SLAVE"],
  private: ["MS_PRIVATE"],
  unbindable: ["MS_UNBINDABLE"],
  rshared: ["MS_SHARED", "MS_REC"],
  rslave: ["MS_SLAVE", "MS_REC"],
  rprivate: ["MS_PRIVATE", "MS_REC"],
  runbindable: ["MS_UNBINDABLE", "MS_REC"],
};

/** Options of the superblock by the pair that each belongs to: the last of a pair holds. */
const superblockOptions: Readonly<Record<string, "sync" | "dirsync" | "lazytime" | "mand">> = {
  sync: "sync",
  async: "sync",
  dirsync: "dirsync",
  lazytime: "lazytime",
  nolazytime: "lazytime",
  mand: "mand",
  nomand: "mand",
};

/** `silent` and `loud` say whether mount(2) may print to the kernel's log; fsopen(2) hands its messages to the caller. */
const optionsWithoutEffect = ["defaults", "silent", "loud"] as const;

const otherOptions = ["bind", "rbind", "remount", "idmap", "ridmap", "tmpcopyup", "iversion", "noiversion"] as const;

/** Every option that is not handed to the file system, sorted: what `features` lists. */
export const mountOptionNames: readonly string[] = [
  ...Object.keys(attributeOptions),
  ...Object.keys(attributeOptions).map((name) => `r${name}`),
  ...Object.keys(propagationOptions),
  ...Object.keys(superblockOptions),
  ...optionsWithoutEffect,
  ...otherOptions,
].sort();

/** Sets of attributes as the options of one mount build them up. */
class AttributeBuilder {
  readonly #set = new Set<MountAttribute>();
  readonly #clear = new Set<MountAttribute>();
  #atime: AtimeMode | undefined;

  apply(change: AttributeChange): void {
    if ("set" in change) {
      this.#set.add(change.set);
      this.#clear.delete(change.set);
    } else if ("clear" in change) {
      this.#clear.add(change.clear);
      this.#set.delete(change.clear);
    } else if ("atime" in change) {
      this.#atime = change.atime;
    } else if (this.#atime === change.notAtime) {
      this.#atime = undefined;
    }
  }

  build(): MountAttributes {
    const set = new Set<MountAttribute>(this.#set);
    const clear = new Set<MountAttribute>(this.#clear);
    if (this.#atime !== undefined) {
      set.add(this.#atime);
      clear.add("MOUNT_ATTR__ATIME");
    }
    return { set: inOrder(set), clear: inOrder(clear) };
  }
}

const attributeOrder = Object.keys(MOUNT_ATTR) as readonly MountAttribute[];

/** Attributes in the order of {@link MOUNT_ATTR}, each once. */
export function inOrder(attributes: Iterable<MountAttribute>): readonly MountAttribute[] {
  const wanted = new Set(attributes);
  return attributeOrder.filter((attribute) => wanted.has(attribute));
}

/** The propagation that an option's name means, or undefined. */
export function propagationOf(name: string): readonly PropagationFlag[] | undefined {
  return Object.hasOwn(propagationOptions, name) ? propagationOptions[name] : undefined;
}

/**
 * Sorts the options of a mount. The last of options that contradict each other holds, as with mount(8).
 *
 * @see config.md#linux-mount-options
 */
export function parseMountOptions(options: readonly string[]): ParsedMountOptions {
  const attributes = new AttributeBuilder();
  const recursiveAttributes = new AttributeBuilder();
  const propagations: (readonly PropagationFlag[])[] = [];
  const superblock = new Map<string, string>();
  const data: MountOption[] = [];
  let bind: ParsedMountOptions["bind"] = "no";
  let idmap: ParsedMountOptions["idmap"] = "no";
  let remount = false;
  let tmpcopyup = false;
  let iversion = false;
  for (const option of options) {
    const attribute = attributeChange(option);
    const propagation = propagationOf(option);
    const pair = Object.hasOwn(superblockOptions, option) ? superblockOptions[option] : undefined;
    if (attribute !== undefined) (attribute.recursive ? recursiveAttributes : attributes).apply(attribute.change);
    else if (propagation !== undefined) propagations.push(propagation);
    else if (pair !== undefined) superblock.set(pair, option);
    else if (option === "bind" || option === "rbind") bind = option;
    else if (option === "idmap" || option === "ridmap") idmap = option;
    else if (option === "remount") remount = true;
    else if (option === "tmpcopyup") tmpcopyup = true;
    else if (option === "iversion" || option === "noiversion") iversion = option === "iversion";
    else if (!(optionsWithoutEffect as readonly string[]).includes(option)) data.push(splitOption(option));
  }
  return {
    bind,
    remount,
    attributes: attributes.build(),
    recursiveAttributes: recursiveAttributes.build(),
    propagations,
    superblock: [...superblock.values()],
    data,
    idmap,
    tmpcopyup,
    iversion,
  };
}

function attributeChange(option: string): { change: AttributeChange; recursive: boolean } | undefined {
  const own = Object.hasOwn(attributeOptions, option) ? attributeOptions[option] : undefined;
  if (own !== undefined) return { change: own, recursive: false };
  const name = option.slice(1);
  const inherited =
    option.startsWith("r") && Object.hasOwn(attributeOptions, name) ? attributeOptions[name] : undefined;
  return inherited === undefined ? undefined : { change: inherited, recursive: true };
}

function splitOption(option: string): MountOption {
  const equals = option.indexOf("=");
  return equals < 0 ? { key: option, value: null } : { key: option.slice(0, equals), value: option.slice(equals + 1) };
}
