import type { NamespaceType } from "@runlet/spec";

export { type CapabilityName, capabilityNames, type NamespaceType, namespaceTypes } from "@runlet/spec";

/** `CLONE_NEW*` of `<linux/sched.h>`, by the specification's name of the namespace. */
export const CLONE_NEW: Readonly<Record<NamespaceType, number>> = {
  time: 0x00000080,
  mount: 0x00020000,
  cgroup: 0x02000000,
  uts: 0x04000000,
  ipc: 0x08000000,
  user: 0x10000000,
  pid: 0x20000000,
  network: 0x40000000,
};

/** Attributes of mount_setattr(2), `<linux/mount.h>`. The atime modes are one field, `MOUNT_ATTR__ATIME`. */
export const MOUNT_ATTR = {
  MOUNT_ATTR_RDONLY: 0x00000001,
  MOUNT_ATTR_NOSUID: 0x00000002,
  MOUNT_ATTR_NODEV: 0x00000004,
  MOUNT_ATTR_NOEXEC: 0x00000008,
  MOUNT_ATTR_RELATIME: 0x00000000,
  MOUNT_ATTR_NOATIME: 0x00000010,
  MOUNT_ATTR_STRICTATIME: 0x00000020,
  MOUNT_ATTR__ATIME: 0x00000070,
  MOUNT_ATTR_NODIRATIME: 0x00000080,
  MOUNT_ATTR_IDMAP: 0x00100000,
  MOUNT_ATTR_NOSYMFOLLOW: 0x00200000,
} as const;

/** Name of a mount attribute. */
export type MountAttribute = keyof typeof MOUNT_ATTR;

/** Propagation flags of mount(2), `<linux/mount.h>`. */
export const MS_PROPAGATION = {
  MS_REC: 0x4000,
  MS_UNBINDABLE: 0x20000,
  MS_PRIVATE: 0x40000,
  MS_SLAVE: 0x80000,
  MS_SHARED: 0x100000,
} as const;

/** Name of a propagation flag. */
export type PropagationFlag = keyof typeof MS_PROPAGATION;
