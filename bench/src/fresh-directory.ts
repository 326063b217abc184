import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";

/**
 * An empty directory for each measurement, on a new file system of its own where the machine has loop devices. ext4 keeps the
 * numbers of files aside that were removed in the last minutes: on the one where everybody removes what the one before has
 * unpacked, making a file takes many times longer, and each time longer than before.
 */
export class FreshDirectory {
  readonly #hostPath: string;
  readonly #imagePath: string;
  readonly #sizeBytes: number;
  readonly hasOwnFileSystem: boolean;

  /**
   * @param options.scratch - a directory of the caller's, who is alone in his mount namespace.
   * @param options.sizeBytes - what has to fit, at least.
   */
  constructor(options: { scratch: string; sizeBytes: number }) {
    this.#hostPath = join(options.scratch, "target");
    this.#imagePath = join(options.scratch, "file-system");
    this.#sizeBytes = options.sizeBytes;
    mkdirSync(this.#hostPath);
    this.hasOwnFileSystem = this.#mount();
    this.remove();
  }

  /** Makes the directory. What was written before to its file system is on the disk. @returns its path. */
  make(): string {
    if (!this.hasOwnFileSystem) mkdirSync(this.#hostPath, { recursive: true });
    else if (!this.#mount()) throw new Error(`no file system at ${this.#hostPath}`);
    const directory = join(this.#hostPath, "directory");
    mkdirSync(directory);
    spawnSync("sync", ["--file-system", directory]);
    return directory;
  }

  /** Removes it with all that is in it or mounted in it. */
  remove(): void {
    const mounts = readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .map((line) => line.split(" ")[1] ?? "")
      .filter((path) => path.startsWith(`${this.#hostPath}/`));
    for (const path of mounts.toReversed()) spawnSync("umount", [path]);
    // What is removed before it was written to the disk is never written there.
    rmSync(join(this.#hostPath, "directory"), { recursive: true, force: true });
    const { status, stderr } = spawnSync("umount", [this.#hostPath], { encoding: "utf8" });
    if (this.hasOwnFileSystem && status !== 0) throw new Error(stderr.trim());
    rmSync(this.#imagePath, { force: true });
  }

  #mount(): boolean {
    rmSync(this.#imagePath, { force: true });
    closeSync(openSync(this.#imagePath, "wx"));
    truncateSync(this.#imagePath, this.#sizeBytes);
    // Nothing of the file system is left to be made in the background.
    const make = ["-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", this.#imagePath];
    const mount = ["-t", "ext4", "-o", "loop,noinit_itable", this.#imagePath, this.#hostPath];
    return spawnSync("mkfs.ext4", make).status === 0 && spawnSync("mount", mount).status === 0;
  }
}
