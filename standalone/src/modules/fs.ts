/** node:fs, as far as the command uses it: the same results and the same errors. */

import * as system from "runlet:system";
import { errno } from "@runlet/errors";
import { Buffer } from "../globals/buffer.ts";
import { systemError } from "./system-error.ts";

const isArm = system.architecture() === "arm64";

/** @see open(2), access(2); those of the first that differ between architectures are in fcntl.h */
export const constants = {
  F_OK: 0,
  X_OK: 1,
  W_OK: 2,
  R_OK: 4,
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_NONBLOCK: 0o4000,
  O_DIRECTORY: isArm ? 0o40000 : 0o200000,
  O_NOFOLLOW: isArm ? 0o100000 : 0o400000,
} as const;
const O_CLOEXEC = 0o2000000;

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants;
const flagNames: Readonly<Record<string, number>> = {
  r: O_RDONLY,
  "r+": O_RDWR,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  wx: O_WRONLY | O_CREAT | O_TRUNC | O_EXCL,
  a: O_WRONLY | O_CREAT | O_APPEND,
};

/** The result of a call, unless it failed. */
function check<Result>(result: Result | number, syscall: string, path?: string): Exclude<Result, number> | number {
  if (typeof result === "number" && result < 0) throw systemError(result, syscall, path === undefined ? {} : { path });
  return result as Exclude<Result, number> | number;
}

export function openSync(path: string, flags: string | number = "r", mode = 0o666): number {
  const bits = typeof flags === "number" ? flags : flagNames[flags];
  if (bits === undefined) throw new TypeError(`the flag ${flags} is not one of this executable's`);
  const fd = system.open(path, bits | O_CLOEXEC, mode);
  if (fd < 0) throw systemError(fd, "open", { path });
  return fd;
}

export function closeSync(fd: number): void {
  check(system.close(fd), "close");
}

export function readSync(
  fd: number,
  bytes: Uint8Array,
  offset = 0,
  length = bytes.byteLength - offset,
  position: number | null = null,
): number {
  return check(system.read(fd, bytes, offset, length, position ?? -1), "read");
}

export function writeSync(
  fd: number,
  content: string | Uint8Array,
  offset = 0,
  length?: number,
  position: number | null = null,
): number {
  if (typeof content === "string") return check(system.writeText(fd, content), "write");
  return check(system.write(fd, content, offset, length ?? content.byteLength - offset, position ?? -1), "write");
}

const inBytes = 0;
const inText = 1;
const inLatin1 = 2;

export function readFileSync(file: string | number): Buffer;
export function readFileSync(file: string | number, encoding: "utf8" | "latin1"): string;
export function readFileSync(file: string | number, encoding?: "utf8" | "latin1"): Buffer | string {
  const fd = typeof file === "number" ? file : openSync(file);
  try {
    if (encoding === undefined) {
      const content = system.readToEnd(fd, inBytes);
      if (typeof content === "number") throw systemError(content, "read");
      return new Buffer(content);
    }
    return check(system.readToEnd(fd, encoding === "utf8" ? inText : inLatin1), "read") as string;
  } finally {
    if (fd !== file) system.close(fd);
  }
}

export function writeFileSync(
  file: string | number,
  content: string | Uint8Array,
  { flag = "w", mode = 0o666 }: { flag?: string; mode?: number } = {},
): void {
  const fd = typeof file === "number" ? file : openSync(file, flag, mode);
  try {
    let rest = typeof content === "string" ? Buffer.from(content) : content;
    while (rest.byteLength > 0) rest = rest.subarray(writeSync(fd, rest));
  } finally {
    if (fd !== file) system.close(fd);
  }
}

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFCHR = 0o020000;

/** What stat(2) says, as far as the command asks. */
export class Stats<Num extends number | bigint = number> {
  readonly dev: Num;
  readonly ino: Num;
  readonly mode: Num;
  readonly nlink: Num;
  readonly uid: Num;
  readonly gid: Num;
  readonly rdev: Num;
  readonly size: Num;
  readonly mtimeMs: Num;
  readonly ctimeMs: Num;

  constructor(fields: ArrayLike<Num>) {
    this.dev = fields[0] as Num;
    this.ino = fields[1] as Num;
    this.mode = fields[2] as Num;
    this.nlink = fields[3] as Num;
    this.uid = fields[4] as Num;
    this.gid = fields[5] as Num;
    this.rdev = fields[6] as Num;
    this.size = fields[7] as Num;
    this.mtimeMs = fields[8] as Num;
    this.ctimeMs = fields[9] as Num;
  }

  #hasType(type: number): boolean {
    return (Number(this.mode) & S_IFMT) === type;
  }
  isDirectory(): boolean {
    return this.#hasType(S_IFDIR);
  }
  isFile(): boolean {
    return this.#hasType(S_IFREG);
  }
  isCharacterDevice(): boolean {
    return this.#hasType(S_IFCHR);
  }
}

/** Fields of the last stat(2): the numbers, and the same ones exactly. */
const fieldCount = 10;
const fields = new ArrayBuffer(2 * 8 * fieldCount);
const numbers = new Float64Array(fields, 0, fieldCount);
const integers = new BigInt64Array(fields, 8 * fieldCount, fieldCount);

interface StatOptions {
  readonly bigint?: boolean;
  readonly throwIfNoEntry?: boolean;
}

export function statSync(path: string, options: { readonly bigint: true }): Stats<bigint>;
export function statSync(path: string, options: { readonly throwIfNoEntry: false }): Stats | undefined;
export function statSync(path: string): Stats;
export function statSync(path: string, options: StatOptions = {}): Stats | Stats<bigint> | undefined {
  const result = system.stat(path, fields);
  if (options.throwIfNoEntry === false && result === -errno.ENOENT) return undefined;
  check(result, "stat", path);
  return options.bigint === true ? new Stats(integers) : new Stats(numbers);
}

export function fstatSync(fd: number, options: { readonly bigint: true }): Stats<bigint>;
export function fstatSync(fd: number): Stats;
export function fstatSync(fd: number, options: StatOptions = {}): Stats | Stats<bigint> {
  check(system.fstat(fd, fields), "fstat");
  return options.bigint === true ? new Stats(integers) : new Stats(numbers);
}

export function statfsSync(path: string): { type: number } {
  return { type: check(system.filesystemType(path), "statfs", path) };
}

export function accessSync(path: string, mode: number = constants.F_OK): void {
  check(system.access(path, mode), "access", path);
}

export function existsSync(path: string): boolean {
  return !path.includes("\0") && system.access(path, constants.F_OK) === 0;
}

export function mkdirSync(path: string, { recursive = false, mode = 0o777 } = {}): void {
  const result = recursive ? makeAll(path, mode) : system.mkdir(path, mode);
  if (result < 0) throw systemError(result, "mkdir", { path });
}

/** Makes a directory, and those above it that are missing. @returns -errno, also where something else is in the way. */
function makeAll(path: string, mode: number): number {
  let result = system.mkdir(path, mode);
  const parent = parentOf(path);
  if (result === -errno.ENOENT && parent !== undefined) {
    result = makeAll(parent, mode);
    if (result === 0) result = system.mkdir(path, mode);
  }
  return result < 0 && system.stat(path, fields) === 0 && new Stats(numbers).isDirectory() ? 0 : result;
}

/** The directory that a path lies in, as far as it may be missing. */
function parentOf(path: string): string | undefined {
  const trimmed = path.replace(/\/+$/, "");
  const slash = trimmed.lastIndexOf("/");
  return slash > 0 ? trimmed.slice(0, slash) : undefined;
}

export function chmodSync(path: string, mode: number): void {
  check(system.chmod(path, mode), "chmod", path);
}

export function rmdirSync(path: string): void {
  check(system.rmdir(path), "rmdir", path);
}

export function unlinkSync(path: string): void {
  check(system.unlink(path), "unlink", path);
}

/** Only of files: with `force` one that is missing is no error. */
export function rmSync(path: string, { force = false } = {}): void {
  const result = system.unlink(path);
  if (!(force && result === -errno.ENOENT)) check(result, "unlink", path);
}

export function renameSync(path: string, dest: string): void {
  const result = system.rename(path, dest);
  if (result < 0) throw systemError(result, "rename", { path, dest });
}

export function readlinkSync(path: string): string {
  return check(system.readlink(path), "readlink", path) as string;
}

const DT_UNKNOWN = 0;
const DT_DIR = 4;

/** An entry of a directory. */
export class Dirent {
  readonly name: string;
  readonly #isDirectory: boolean;

  constructor(name: string, isDirectory: boolean) {
    this.name = name;
    this.#isDirectory = isDirectory;
  }

  isDirectory(): boolean {
    return this.#isDirectory;
  }
}

export function readdirSync(path: string, options: { withFileTypes: true }): Dirent[];
export function readdirSync(path: string): string[];
export function readdirSync(path: string, { withFileTypes = false } = {}): (string | Dirent)[] {
  const list = system.readDirectory(path);
  if (typeof list === "number") throw systemError(list, "scandir", { path });
  const entries: (string | Dirent)[] = [];
  for (let index = 0; index < list.length; index += 2) {
    const name = list[index] as string;
    entries.push(withFileTypes ? new Dirent(name, isDirectoryOf(list[index + 1] as number, `${path}/${name}`)) : name);
  }
  return entries;
}

/** Not every filesystem tells the types with the names. */
function isDirectoryOf(type: number, path: string): boolean {
  if (type !== DT_UNKNOWN) return type === DT_DIR;
  check(system.lstat(path, fields), "lstat", path);
  return new Stats(numbers).isDirectory();
}
