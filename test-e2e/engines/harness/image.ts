import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { probePath } from "../../harness/programs.ts";

const busyboxPath = "/bin/busybox";

/** Users of the image, beside root. */
const accounts = {
  passwd: "root:x:0:0:root:/root:/bin/sh\nvisitor:x:1234:1235:visitor:/home/visitor:/bin/sh\n",
  group: "root:x:0:\nvisitor:x:1235:\nstaff:x:50:visitor\n",
} as const;

/**
 * Writes a root file system as a tar archive: Debian's static busybox under all of its names, the tests' probe at /probe, and
 * the users `root` and `visitor` (1234:1235, also in the group 50). No engine needs a registry for it.
 *
 * @param directory - where it is made; must exist.
 * @returns path of the archive.
 */
export function makeImageArchive(directory: string): string {
  const root = join(directory, "image");
  for (const name of ["bin", "etc", "proc", "sys", "dev", "root", "home/visitor", "var/log"])
    mkdirSync(join(root, name), { recursive: true });
  mkdirSync(join(root, "tmp"));
  // The umask does not count here.
  chmodSync(join(root, "tmp"), 0o1777);
  copyFileSync(busyboxPath, join(root, "bin/busybox"));
  copyFileSync(probePath, join(root, "probe"));
  for (const name of execFileSync(busyboxPath, ["--list"], { encoding: "utf8" }).trim().split("\n"))
    if (name !== "busybox") symlinkSync("busybox", join(root, "bin", name));
  for (const [name, text] of Object.entries(accounts)) writeFileSync(join(root, "etc", name), text);
  const archive = join(directory, "image.tar");
  execFileSync("tar", ["--directory", root, "--owner=0", "--group=0", "--create", "--file", archive, "."]);
  return archive;
}
