import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { closeFd, openat, openFlags } from "@runlet/syscall";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../test/temporary.ts";
import { DirectoryMetadata } from "./directory-metadata.ts";
import { removeTree } from "./remove-tree.ts";
import { RootDirectory } from "./root-directory.ts";

test("what is said of a directory goes with it, since another one may get its inode", () => {
  const hostPath = temporaryDirectory();
  mkdirSync(join(hostPath, "outer/inner"), { recursive: true });
  mkdirSync(join(hostPath, "other"));
  const root = RootDirectory.open(hostPath);
  const metadata = new DirectoryMetadata(root);
  const time = { seconds: 1, nanoseconds: 0 };
  const fds = ["outer", "outer/inner", "other"].map((path) => {
    const fd = openat({ dirFd: root.fd, path, flags: openFlags.O_RDONLY | openFlags.O_DIRECTORY });
    const components = path.split("/").map((name) => Buffer.from(name));
    metadata.defer(components, fd, { uid: -1, gid: -1, mode: 0o700, xattrs: [], mtime: time, atime: time });
    return fd;
  });
  try {
    removeTree({ dirFd: root.fd, path: "outer" }, (fd) => metadata.forget(fd));
    // An open descriptor keeps the inode, so that it is still the removed directory's.
    expect(fds.map((fd) => metadata.has(fd))).toEqual([false, false, true]);
  } finally {
    for (const fd of fds) closeFd(fd);
    root.close();
  }
});
