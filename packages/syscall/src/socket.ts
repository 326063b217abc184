import { errnoName, SyscallError } from "@runlet/errors";
import { binding } from "./binding.ts";
import { check } from "./check.ts";

interface SocketBinding {
  socketpair(type: number): [number, number] | number;
  pipe(flags: number): [number, number] | number;
  listenUnix(directoryFd: number, name: string, type: number): number;
  connectUnix(directoryFd: number, name: string, type: number): number;
  acceptUnix(fd: number): number;
  sendMessage(fd: number, bytes: Uint8Array, fds: readonly number[]): number;
  receiveMessage(fd: number, buffer: Uint8Array, blocking: boolean): number[] | number;
  createMemoryFile(name: string, bytes: Uint8Array, isProgram: boolean): number;
  peerPid(fd: number): number;
}

/** Kinds of Unix socket, `<linux/net.h>`. */
export const SOCK_STREAM = 1;
/** Single messages, from anybody. */
export const SOCK_DGRAM = 2;
/** Whole messages, in order, with an end: what the runtime and its helper speak over. */
export const SOCK_SEQPACKET = 5;
/** pipe2(2): reads and writes that would wait fail with `EAGAIN`. */
export const O_NONBLOCK = 0o4000;

/** A message that has come: its bytes and the descriptors that came along, which are the receiver's to close. */
export interface Message {
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
}

function pairOf(result: [number, number] | number, syscall: string): [number, number] {
  if (typeof result === "number") throw new SyscallError(syscall, -result);
  return result;
}

/** A connected pair of Unix sockets, close-on-exec, both the caller's. */
export function socketpair(type: number): [number, number] {
  return pairOf(binding<SocketBinding>().socketpair(type), "socketpair");
}

/** A pipe, close-on-exec: read end and write end, both the caller's. `flags` as of pipe2(2). */
export function pipe(flags = 0): [number, number] {
  return pairOf(binding<SocketBinding>().pipe(flags), "pipe2");
}

/**
 * Makes and binds a listening Unix socket in a directory; the length of the directory's path does not matter. One of type
 * {@link SOCK_DGRAM} receives at once.
 *
 * @param directoryFd - stays the caller's.
 * @returns the listening descriptor, close-on-exec, the caller's.
 */
export function listenUnix(directoryFd: number, name: string, type: number): number {
  return check(binding<SocketBinding>().listenUnix(directoryFd, name, type), "bind", name);
}

/**
 * Connects to a Unix socket: in a directory, or with -1 for the directory by its path, or by its abstract name behind an `@`.
 *
 * @throws {@link SyscallError} `ENOENT`, `ECONNREFUSED` when nobody listens.
 */
export function connectUnix(directoryFd: number, name: string, type: number): number {
  return check(binding<SocketBinding>().connectUnix(directoryFd, name, type), "connect", name);
}

/** Accepts one connection, close-on-exec, the caller's. */
export function acceptUnix(fd: number): number {
  return check(binding<SocketBinding>().acceptUnix(fd), "accept4");
}

/** Sends one message with up to 16 descriptors, which stay the caller's. A peer that is gone is `EPIPE`, no signal. */
export function sendMessage(fd: number, bytes: Uint8Array, fds: readonly number[] = []): void {
  check(binding<SocketBinding>().sendMessage(fd, bytes, fds), "sendmsg");
}

/** What messages are received into; most are shorter. */
const received = new Uint8Array(2048);

/**
 * Receives one message without waiting.
 *
 * @param maxBytes - room for the message; what is longer is cut.
 * @returns the message, empty at the end of the connection; null when there is none yet.
 */
export function receiveMessage(fd: number, maxBytes: number): Message | null {
  const buffer = maxBytes > received.length ? new Uint8Array(maxBytes) : received.subarray(0, maxBytes);
  const result = binding<SocketBinding>().receiveMessage(fd, buffer, false);
  if (typeof result !== "number") {
    const [length = 0, ...fds] = result;
    return { bytes: buffer.slice(0, length), fds };
  }
  // Nothing there yet is the usual case, and an error is dear to make.
  const code = errnoName(-result);
  if (code === "EAGAIN") return null;
  // The other side closed its end with something unread. That is told once, before what it has said itself.
  if (code === "ECONNRESET") return receiveMessage(fd, maxBytes);
  throw new SyscallError("recvmsg", -result);
}

/**
 * A file in memory that nobody can change any more (memfd_create(2) with all seals), readable from its start.
 *
 * @param kind - only a program can be executed.
 * @returns its descriptor, close-on-exec, the caller's.
 * @throws {@link SyscallError} `EACCES` for a program on a host that wants none in memory (vm.memfd_noexec=2).
 */
export function createMemoryFile(name: string, bytes: Uint8Array, kind: "data" | "program" = "data"): number {
  return check(binding<SocketBinding>().createMemoryFile(name, bytes, kind === "program"), "memfd_create");
}

/** Process id of the other side of a Unix socket, as it was when it connected (SO_PEERCRED). */
export function peerPid(fd: number): number {
  return check(binding<SocketBinding>().peerPid(fd), "getsockopt");
}
