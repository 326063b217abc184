import type { MessageValue, Schema } from "./protobuf.ts";

/*
 * The messages of CRIU's RPC that a container runtime needs; numbers of CRIU's rpc.proto. @see https://criu.org/RPC
 */

const pageServerFields = {
  address: { number: 1, type: "string" },
  port: { number: 2, type: "int32" },
} as const satisfies Schema;

const externalMountFields = {
  key: { number: 1, type: "string" },
  val: { number: 2, type: "string" },
} as const satisfies Schema;

const joinNamespaceFields = {
  ns: { number: 1, type: "string" },
  nsFile: { number: 2, type: "string" },
} as const satisfies Schema;

const inheritFdFields = {
  key: { number: 1, type: "string" },
  fd: { number: 2, type: "int32" },
} as const satisfies Schema;

const cgroupRootFields = {
  ctrl: { number: 1, type: "string" },
  path: { number: 2, type: "string" },
} as const satisfies Schema;

const optionFields = {
  /** A descriptor of the process that asks, like all but those of `inheritFd`, which are CRIU's own. */
  imagesDirFd: { number: 1, type: "int32" },
  pid: { number: 2, type: "int32" },
  leaveRunning: { number: 3, type: "bool" },
  extUnixSk: { number: 4, type: "bool" },
  tcpEstablished: { number: 5, type: "bool" },
  evasiveDevices: { number: 6, type: "bool" },
  shellJob: { number: 7, type: "bool" },
  fileLocks: { number: 8, type: "bool" },
  logLevel: { number: 9, type: "int32" },
  logFile: { number: 10, type: "string" },
  ps: { number: 11, type: pageServerFields },
  notifyScripts: { number: 12, type: "bool" },
  root: { number: 13, type: "string" },
  parentImg: { number: 14, type: "string" },
  trackMem: { number: 15, type: "bool" },
  autoDedup: { number: 16, type: "bool" },
  workDirFd: { number: 17, type: "int32" },
  linkRemap: { number: 18, type: "bool" },
  extMnt: { number: 23, type: externalMountFields, repeated: true },
  manageCgroups: { number: 24, type: "bool" },
  cgRoot: { number: 25, type: cgroupRootFields, repeated: true },
  rstSibling: { number: 26, type: "bool" },
  inheritFd: { number: 27, type: inheritFdFields, repeated: true },
  manageCgroupsMode: { number: 34, type: "int32" },
  external: { number: 37, type: "string", repeated: true },
  emptyNs: { number: 38, type: "uint32" },
  joinNs: { number: 39, type: joinNamespaceFields, repeated: true },
  freezeCgroup: { number: 44, type: "string" },
  tcpSkipInFlight: { number: 46, type: "bool" },
  lazyPages: { number: 48, type: "bool" },
  orphanPtsMaster: { number: 50, type: "bool" },
  configFile: { number: 51, type: "string" },
  lsmProfile: { number: 53, type: "string" },
  lsmMountContext: { number: 63, type: "string" },
} as const satisfies Schema;

const featureFields = {
  memTrack: { number: 1, type: "bool" },
  lazyPages: { number: 2, type: "bool" },
} as const satisfies Schema;

export const requestFields = {
  type: { number: 1, type: "int32" },
  opts: { number: 2, type: optionFields },
  notifySuccess: { number: 3, type: "bool" },
  features: { number: 5, type: featureFields },
} as const satisfies Schema;

const notifyFields = {
  script: { number: 1, type: "string" },
  pid: { number: 2, type: "int32" },
} as const satisfies Schema;

const versionFields = {
  major: { number: 1, type: "int32" },
  minor: { number: 2, type: "int32" },
  sublevel: { number: 4, type: "int32" },
} as const satisfies Schema;

export const responseFields = {
  type: { number: 1, type: "int32" },
  success: { number: 2, type: "bool" },
  restore: { number: 4, type: { pid: { number: 1, type: "int32" } } },
  notify: { number: 5, type: notifyFields },
  crErrno: { number: 7, type: "int32" },
  features: { number: 8, type: featureFields },
  crErrmsg: { number: 9, type: "string" },
  version: { number: 10, type: versionFields },
} as const satisfies Schema;

/** `criu_req_type`. */
export const requestTypes = { DUMP: 1, RESTORE: 2, PRE_DUMP: 4, NOTIFY: 6, FEATURE_CHECK: 9, VERSION: 10 } as const;

/** `criu_cg_mode` by runc's words for it; `undefined` is what CRIU takes when nothing is said, `soft`. */
export const cgroupModes = { ignore: 0, soft: 3, full: 4, strict: 5, default: 6 } as const;

export type CriuOptions = MessageValue<typeof optionFields>;
export type CriuFeatures = MessageValue<typeof featureFields>;
export type CriuRequest = MessageValue<typeof requestFields>;
export type CriuResponse = MessageValue<typeof responseFields>;
