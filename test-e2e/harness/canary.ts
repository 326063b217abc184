import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect } from "vitest";
import type { Bundle } from "./bundle.ts";

/** A directory of the host's that no container may touch; every byte, name and mode of it is compared. */
export class Canary {
  readonly path: string;
  readonly #before: string;

  /** @param directory - of the suite. */
  constructor(directory: string, name: string) {
    this.path = join(directory, name);
    mkdirSync(join(this.path, "directory"), { recursive: true });
    writeFileSync(join(this.path, "file"), "untouched");
    writeFileSync(join(this.path, "directory/inside"), "untouched");
    this.#before = this.#print();
  }

  /** The path from a directory of the rootfs up and out to the canary. */
  from(bundle: Bundle, inside: string): string {
    return relative(join(bundle.rootfs, inside), this.path);
  }

  check(): void {
    expect(this.#print()).toBe(this.#before);
  }

  #print(): string {
    return readdirSync(this.path, { recursive: true, encoding: "utf8" })
      .sort()
      .map((name) => {
        const path = join(this.path, name);
        const { mode, uid, gid, rdev, size } = lstatSync(path);
        return [name, mode, uid, gid, rdev, size, lstatSync(path).isFile() ? readFileSync(path, "utf8") : ""].join(" ");
      })
      .join("\n");
  }
}
