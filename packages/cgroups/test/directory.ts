import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A directory with files, removed at the end of the scope. */
export function temporaryDirectory(files: Readonly<Record<string, string>> = {}): { hostPath: string } & Disposable {
  const hostPath = mkdtempSync(join(tmpdir(), "runlet-cgroups-"));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(hostPath, name)), { recursive: true });
    writeFileSync(join(hostPath, name), content);
  }
  return { hostPath, [Symbol.dispose]: () => rmSync(hostPath, { recursive: true, force: true }) };
}
