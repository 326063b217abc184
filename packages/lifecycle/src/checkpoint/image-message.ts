import type { MessageValue, Schema } from "./protobuf.ts";

/* What is looked at in the messages of CRIU's images; numbers of the *.proto files of CRIU. */

const namespaceIdFields = {
  pid: { number: 5, type: "uint32" },
  network: { number: 6, type: "uint32" },
  ipc: { number: 7, type: "uint32" },
  uts: { number: 8, type: "uint32" },
  mount: { number: 9, type: "uint32" },
  user: { number: 10, type: "uint32" },
  cgroup: { number: 11, type: "uint32" },
  time: { number: 12, type: "uint32" },
} as const satisfies Schema;

/** `inventory.img` */
export const inventoryFields = {
  version: { number: 1, type: "uint32" },
  /** Namespaces of the CRIU that saved. */
  rootIds: { number: 3, type: namespaceIdFields },
  rootCgroupSet: { number: 5, type: "uint32" },
} as const satisfies Schema;

/** `ids-PID.img` */
export const idsFields = namespaceIdFields;

/** `pstree.img` */
export const processFields = {
  pid: { number: 1, type: "uint32" },
  parentPid: { number: 2, type: "uint32" },
  threads: { number: 5, type: "uint32", repeated: true },
} as const satisfies Schema;

const credentialFields = {
  uid: { number: 1, type: "uint32" },
  gid: { number: 2, type: "uint32" },
  euid: { number: 3, type: "uint32" },
  egid: { number: 4, type: "uint32" },
  suid: { number: 5, type: "uint32" },
  sgid: { number: 6, type: "uint32" },
  fsuid: { number: 7, type: "uint32" },
  fsgid: { number: 8, type: "uint32" },
  inheritable: { number: 9, type: "uint32", repeated: true },
  permitted: { number: 10, type: "uint32", repeated: true },
  effective: { number: 11, type: "uint32", repeated: true },
  bounding: { number: 12, type: "uint32", repeated: true },
  groups: { number: 14, type: "uint32", repeated: true },
  lsmProfile: { number: 15, type: "string" },
  noNewPrivileges: { number: 18, type: "uint32" },
  ambient: { number: 19, type: "uint32", repeated: true },
} as const satisfies Schema;

const limitFields = {
  soft: { number: 1, type: "uint64" },
  hard: { number: 2, type: "uint64" },
} as const satisfies Schema;

/** `core-TID.img`; `task` is there for the first thread of a process. */
export const coreFields = {
  task: {
    number: 3,
    type: {
      state: { number: 1, type: "uint32" },
      /** By the kernel's numbers of the resources, from 0 on. */
      limits: { number: 8, type: { entries: { number: 1, type: limitFields, repeated: true } } },
      cgroupSet: { number: 9, type: "uint32" },
      seccompMode: { number: 11, type: "uint32" },
      oomScoreAdj: { number: 14, type: "int32" },
    },
  },
  thread: {
    number: 5,
    type: {
      credentials: { number: 10, type: credentialFields },
      seccompMode: { number: 11, type: "uint32" },
      seccompFilter: { number: 12, type: "uint32" },
    },
  },
} as const satisfies Schema;

/** `seccomp.img` */
export const seccompFields = {
  filters: {
    number: 1,
    type: { filter: { number: 1, type: "bytes" }, previous: { number: 2, type: "uint32" } },
    repeated: true,
  },
} as const satisfies Schema;

const idExtentFields = {
  first: { number: 1, type: "uint32" },
  lowerFirst: { number: 2, type: "uint32" },
  count: { number: 3, type: "uint32" },
} as const satisfies Schema;

/** `userns-ID.img` */
export const userNamespaceFields = {
  uidMap: { number: 1, type: idExtentFields, repeated: true },
  gidMap: { number: 2, type: idExtentFields, repeated: true },
} as const satisfies Schema;

/** `mountpoints-ID.img` */
export const mountFields = {
  type: { number: 1, type: "uint32" },
  mountId: { number: 2, type: "uint32" },
  parentId: { number: 4, type: "uint32" },
  flags: { number: 5, type: "uint32" },
  root: { number: 6, type: "string" },
  mountPoint: { number: 7, type: "string" },
  isExternal: { number: 13, type: "bool" },
  externalKey: { number: 18, type: "string" },
} as const satisfies Schema;

const cgroupPropertyFields = {
  name: { number: 1, type: "string" },
  value: { number: 2, type: "string" },
} as const satisfies Schema;

type CgroupDirectoryFields = {
  readonly name: { readonly number: 1; readonly type: "string" };
  readonly children: { readonly number: 2; readonly type: () => CgroupDirectoryFields; readonly repeated: true };
  readonly properties: { readonly number: 3; readonly type: typeof cgroupPropertyFields; readonly repeated: true };
};

const cgroupDirectoryFields: CgroupDirectoryFields = {
  name: { number: 1, type: "string" },
  children: { number: 2, type: () => cgroupDirectoryFields, repeated: true },
  properties: { number: 3, type: cgroupPropertyFields, repeated: true },
};

const cgroupMemberFields = {
  name: { number: 1, type: "string" },
  path: { number: 2, type: "string" },
} as const satisfies Schema;

/** `cgroup.img` */
export const cgroupFields = {
  sets: {
    number: 1,
    type: { id: { number: 1, type: "uint32" }, members: { number: 2, type: cgroupMemberFields, repeated: true } },
    repeated: true,
  },
  controllers: {
    number: 2,
    type: {
      names: { number: 1, type: "string", repeated: true },
      directories: { number: 2, type: cgroupDirectoryFields, repeated: true },
    },
    repeated: true,
  },
} as const satisfies Schema;

export type NamespaceIds = MessageValue<typeof namespaceIdFields>;
export type ImageCore = MessageValue<typeof coreFields>;
export type Credentials = MessageValue<typeof credentialFields>;
export type IdExtent = MessageValue<typeof idExtentFields>;
export type ImageMount = MessageValue<typeof mountFields>;
export type ImageCgroupDirectory = MessageValue<CgroupDirectoryFields>;
