import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A whole disk, which the throttles of block I/O are of. */
export interface Disk extends Disposable {
  readonly major: number;
  readonly minor: number;
  /** Whether it is a disk in memory, without a file system: it is written to as a device. */
  readonly isInMemory: boolean;
}

/** The disk that holds a directory, or one in memory where no disk does. */
export function openDisk(directory: string): Disk {
  const { dev } = statSync(directory);
  const [major, minor] = [(dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00)];
  const entry = `/sys/dev/block/${major}:${minor}`;
  if (existsSync(entry)) {
    const disk = existsSync(join(entry, "partition")) ? join(entry, "..") : entry;
    return { ...deviceNumbers(readFileSync(join(disk, "dev"), "utf8")), isInMemory: false, [Symbol.dispose]: () => {} };
  }
  const isLoaded = existsSync("/sys/module/brd");
  if (!isLoaded) execFileSync("modprobe", ["brd", "rd_nr=1", "rd_size=8192"]);
  const name = readdirSync("/sys/class/block").find((block) => /^ram\d+$/.test(block));
  return {
    ...deviceNumbers(readFileSync(`/sys/class/block/${name}/dev`, "utf8")),
    isInMemory: true,
    [Symbol.dispose]: () => {
      // udev has a look at a disk that was written to.
      if (!isLoaded) execFileSync("modprobe", ["--remove", "--wait=5000", "brd"]);
    },
  };
}

/** A disk that BFQ schedules, which weights of a device are for: a loop device that nobody uses. */
export function openBfqDisk(): Omit<Disk, "isInMemory"> {
  const isLoaded = existsSync("/sys/module/loop");
  if (!isLoaded) execFileSync("modprobe", ["loop"]);
  const name = readdirSync("/sys/class/block").findLast(
    (block) => /^loop\d+$/.test(block) && !existsSync(`/sys/class/block/${block}/loop`),
  );
  const scheduler = `/sys/class/block/${name}/queue/scheduler`;
  const before = /\[(.*)\]/.exec(readFileSync(scheduler, "utf8"))?.[1] ?? "none";
  writeFileSync(scheduler, "bfq");
  return {
    ...deviceNumbers(readFileSync(`/sys/class/block/${name}/dev`, "utf8")),
    [Symbol.dispose]: () => {
      writeFileSync(scheduler, before);
      // Where somebody else has come to use it, it stays.
      if (!isLoaded) spawnSync("rmmod", ["loop"]);
    },
  };
}

/** @param text - `MAJOR:MINOR` as sysfs has it. */
function deviceNumbers(text: string): { major: number; minor: number } {
  const [major = Number.NaN, minor = Number.NaN] = text.trim().split(":").map(Number);
  return { major, minor };
}
