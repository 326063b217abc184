import { execFileSync } from "node:child_process";
import {
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { atFlags, closeFd, fsetxattr, mknodat, openat, openFlags } from "@runlet/syscall";

/**
 * Files by path: text is content, `-> x` a symbolic link to x, `= x` another name of the file x, `whiteout` of overlayfs,
 * `opaque` a directory that overlayfs takes for one; a path that ends with a slash is a directory.
 */
export type Files = Readonly<Record<string, string>>;

/** Makes files below a directory, all of the same time. */
export function makeFiles(directory: string, files: Files): string {
  for (const [name, content] of Object.entries(files)) {
    const hostPath = join(directory, name);
    if (name.endsWith("/")) mkdirSync(hostPath, { recursive: true });
    else {
      mkdirSync(join(hostPath, ".."), { recursive: true });
      makeFile(directory, hostPath, content);
    }
    if (content === "opaque") setXattr(hostPath, "user.overlay.opaque", "y");
  }
  setTimes(directory, 1_000_000);
  return directory;
}

function makeFile(directory: string, hostPath: string, content: string): void {
  if (content.startsWith("-> ")) symlinkSync(content.slice(3), hostPath);
  else if (content.startsWith("= ")) linkSync(join(directory, content.slice(2)), hostPath);
  else if (content === "whiteout") mknodat({ dirFd: atFlags.AT_FDCWD, path: hostPath, mode: 0o020000 });
  else writeFileSync(hostPath, content);
}

/** Sets an extended attribute. */
export function setXattr(hostPath: string, name: string, value: string): void {
  const fd = openat({ dirFd: atFlags.AT_FDCWD, path: hostPath, flags: openFlags.O_RDONLY });
  try {
    fsetxattr({ fd, name, value: Buffer.from(value) });
  } finally {
    closeFd(fd);
  }
}

/** Gives everything in a tree the same time. */
export function setTimes(directory: string, seconds: number): void {
  for (const name of readdirSync(directory)) {
    const hostPath = join(directory, name);
    if (lstatSync(hostPath).isDirectory()) setTimes(hostPath, seconds);
    else lutimesSync(hostPath, seconds, seconds);
  }
  lutimesSync(directory, seconds, seconds);
}

/** A copy of a tree, times, links and attributes included: by cp(1), which knows nothing of this project. */
export function copyTree(from: string, to: string): string {
  execFileSync("cp", ["--archive", "--no-target-directory", from, to]);
  return to;
}

/** What a tree holds, one line for each file: read by Node alone. */
export function describeTree(directory: string, prefix = ""): string[] {
  const lines = [`${prefix === "" ? "/" : prefix} ${describeFile(directory)}`];
  for (const name of readdirSync(directory).sort()) {
    const hostPath = join(directory, name);
    const path = `${prefix}/${name}`;
    if (lstatSync(hostPath).isDirectory()) lines.push(...describeTree(hostPath, path));
    else lines.push(`${path} ${describeFile(hostPath)}`);
  }
  return lines;
}

function describeFile(hostPath: string): string {
  const { mode, uid, gid, mtimeNs, size, rdev, nlink } = lstatSync(hostPath, { bigint: true });
  const status = lstatSync(hostPath);
  const content = status.isSymbolicLink()
    ? `-> ${readlinkSync(hostPath)}`
    : status.isFile()
      ? `${size} links ${nlink} ${JSON.stringify(readFileSync(hostPath, "latin1"))}`
      : "";
  return `${mode.toString(8)} ${uid}:${gid} ${mtimeNs} ${rdev} ${content}`;
}
