/** Kinds of namespace, in the words of the runtime specification. */
export const namespaceTypes = ["user", "mount", "pid", "network", "ipc", "uts", "cgroup", "time"] as const;

/** A kind of namespace. */
export type NamespaceType = (typeof namespaceTypes)[number];

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

/** Capabilities in the order of their numbers, `<linux/capability.h>` of Linux 6.18. */
export const capabilityNames = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
] as const;

/** Name of a capability. */
export type CapabilityName = (typeof capabilityNames)[number];
