/**
 * What the executable's C sources offer. Functions return a value, or -errno; they throw a TypeError for a wrong type, a
 * path with a zero byte among them. What each does is said where it is written, in `native/`.
 */
declare module "runlet:system" {
  // main.c
  export function addon(): object;
  export function invocation(): { argv: string[]; execPath: string };
  export function executeInstead(hostPath: string): number;
  export function exit(status: number): never;

  // loop.c
  export function setTimer(delayMs: number, callback: () => void): number;
  export function clearTimer(id: number): void;
  export function refTimer(id: number, isRef: boolean): void;
  export function watchDescriptor(fd: number, events: number, callback: (revents: number) => void): number;
  export function unwatchDescriptor(id: number): void;
  export function watchSignal(number: number, isWatched: boolean): number;
  export function onSignal(callback: (number: number) => void): void;
  export function nowMs(): number;

  // file.c
  export function open(path: string, flags: number, mode: number): number;
  export function close(fd: number): number;
  export function read(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number;
  export function write(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number;
  export function writeText(fd: number, text: string): number;
  export function readToEnd(fd: number, kind: 0): ArrayBuffer | number;
  export function readToEnd(fd: number, kind: 1 | 2): string | number;
  export function stat(path: string, into: ArrayBuffer): number;
  export function lstat(path: string, into: ArrayBuffer): number;
  export function fstat(fd: number, into: ArrayBuffer): number;
  export function filesystemType(path: string): number;
  export function access(path: string, mode: number): number;
  export function mkdir(path: string, mode: number): number;
  export function chmod(path: string, mode: number): number;
  export function rmdir(path: string): number;
  export function unlink(path: string): number;
  export function rename(path: string, newPath: string): number;
  export function readlink(path: string): string | number;
  export function readDirectory(path: string): (string | number)[] | number;
  export function isTerminal(fd: number): boolean;

  // text.c
  export function encodeText(text: string): ArrayBuffer;
  export function encodeTextInto(text: string, into: Uint8Array): number;
  export function encodedLength(text: string): number;
  export function decodeText(bytes: Uint8Array, start: number, end: number, isFatal: boolean): string | number;
  export function decodeLatin1(bytes: Uint8Array, start: number, end: number): string;
  export function compareBytes(a: Uint8Array, b: Uint8Array): -1 | 0 | 1;

  // host.c
  export function processId(): number;
  export function effectiveUserId(): number;
  export function effectiveGroupId(): number;
  export function workingDirectory(): string | number;
  export function kill(pid: number, signal: number): number;
  export function environment(): Record<string, string>;
  export function random(): number;
  export function kernelRelease(): string | number;
  export function userName(): string | number;
  export function architecture(): string;

  // spawn.c
  export function spawn(
    paths: readonly string[],
    args: readonly string[],
    env: readonly string[],
    directory: string | null,
    fds: Int32Array,
  ): number;
  export function openPidfd(pid: number): number;
  export function waitProcess(pid: number): number;
  export function openPipe(fds: Int32Array): number;
  export function readBoth(fd: number, otherFd: number, limitBytes: number): [ArrayBuffer, ArrayBuffer] | number;
}
