import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";

/** A directory of the running test's own, removed when the test ends. */
export function temporaryDirectory(): string {
  const hostPath = mkdtempSync(join(tmpdir(), "runlet-rootfs-"));
  onTestFinished(() => {
    // An ordinary user cannot empty a directory that an archive has made read-only.
    execFileSync("chmod", ["--recursive", "u+rwX", hostPath]);
    rmSync(hostPath, { recursive: true, force: true });
  });
  return hostPath;
}

/** Writes a file below a directory, with the directories on its way. */
export function put(directory: string, path: string, content: string | Uint8Array, mode = 0o755): string {
  const hostPath = join(directory, path);
  mkdirSync(dirname(hostPath), { recursive: true });
  writeFileSync(hostPath, content, { mode });
  return hostPath;
}
