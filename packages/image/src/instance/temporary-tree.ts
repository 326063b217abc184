import { chmodSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "@runlet/rootfs";
import { atFlags } from "@runlet/syscall";
import { storeError } from "../store/store-error.ts";

/** An empty directory below another one, which goes with all that it holds when it is disposed of. */
export function makeTemporaryTree(parentHostPath: string): Disposable & { readonly hostPath: string } {
  let hostPath: string;
  try {
    hostPath = mkdtempSync(join(parentHostPath, ".base-"));
    // As a root file system is made.
    chmodSync(hostPath, 0o755);
  } catch (error) {
    throw storeError("make a temporary directory", error);
  }
  return { hostPath, [Symbol.dispose]: () => void removeTree({ dirFd: atFlags.AT_FDCWD, path: hostPath }) };
}
