export { helperHostPath } from "./binding.ts";
export {
  bpfAttachDeviceProgram,
  bpfDetachDeviceProgram,
  bpfLoadDeviceProgram,
  bpfOpenProgram,
  bpfProgramName,
  bpfQueryDevicePrograms,
} from "./bpf.ts";
export * from "./extended-attribute.ts";
export * from "./file.ts";
export * from "./file-flags.ts";
export type * from "./file-types.ts";
export * from "./file-writer.ts";
export { cloneTree, configureFilesystem, mapTreeIds, mountFilesystem, openFilesystem } from "./mount.ts";
export {
  decodeAttributes,
  encodeAttributes,
  type NetlinkAttribute,
  type NetlinkMessage,
  type NetlinkRequest,
  NetlinkSocket,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REPLACE,
} from "./netlink.ts";
export * from "./path.ts";
export {
  type ChildExit,
  type ChildProcess,
  duplicate,
  type HelperOptions,
  openPidfd,
  type ProcessStatus,
  readProcessStatus,
  type StartingHelper,
  sendPlan,
  sendSignal,
  setChildSubreaper,
  setNonblocking,
  startHelper,
  tryLock,
  waitAnyChild,
  waitPidfd,
} from "./process.ts";
export { catchNativeSignals } from "./signal.ts";
export {
  acceptUnix,
  connectUnix,
  createMemoryFile,
  listenUnix,
  type Message,
  O_NONBLOCK,
  peerPid,
  pipe,
  receiveMessage,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  sendMessage,
  socketpair,
} from "./socket.ts";
export { BusError, type BusValue, callSystemd, type SystemdCall, type SystemdReply } from "./systemd.ts";
export {
  getWindowSize,
  isatty,
  keepNewlines,
  makeRaw,
  relayTerminal,
  restoreTerminal,
  setWindowSize,
  type TerminalMode,
  type TerminalRelay,
  type TerminalRelayOptions,
  type WindowSize,
} from "./terminal.ts";
export {
  createEventFd,
  type WaitLimit,
  waitPriority,
  waitReadable,
  waitReadableWithin,
  waitWritable,
} from "./watch.ts";
