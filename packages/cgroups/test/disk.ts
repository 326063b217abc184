import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";

/** Something to write to past the page cache, and the whole disk that it is on, which throttles are of. */
export interface WritableDisk extends Disposable {
  readonly path: string;
  readonly major: number;
  readonly minor: number;
}

/** A file on the disk of the current directory; or a disk in memory where no file system is on one. */
export function openWritableDisk(): WritableDisk {
  const directory = mkdtempSync(`${process.cwd()}/.throttle-`);
  const source = execFileSync("findmnt", ["-no", "SOURCE", "-T", directory], { encoding: "utf8" }).trim();
  const isOnDisk = source.startsWith("/dev/");
  const mustLoad = !isOnDisk && !existsSync("/sys/module/brd");
  if (mustLoad) execFileSync("modprobe", ["brd", "rd_nr=1", "rd_size=8192"]);
  const disk = isOnDisk ? source : "/dev/ram0";
  const { rdev } = statSync(disk);
  return {
    path: isOnDisk ? `${directory}/file` : disk,
    major: rdev >> 8,
    minor: rdev & 0xff,
    [Symbol.dispose]: () => {
      rmSync(directory, { recursive: true });
      // udev has a look at a disk that was written to.
      if (mustLoad) execFileSync("modprobe", ["--remove", "--wait=5000", "brd"]);
    },
  };
}
