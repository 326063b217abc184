import { ociVersion } from "@runlet/spec";

/** Set by the build of the standalone executable, which has no package.json beside it. */
declare const RUNLET_VERSION: string | undefined;
declare const RUNLET_COMMIT: string | undefined;

/** Version of this package. */
export function programVersion(): string {
  if (typeof RUNLET_VERSION === "string") return RUNLET_VERSION;
  const manifest = process
    .getBuiltinModule("node:fs")
    .readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}

/** What `--version` prints: Docker reads the first line, and the others by their names. */
export function versionText(programName: string): string {
  const { quickjs, bun, node } = process.versions;
  const [engine, engineVersion] = quickjs ? ["quickjs", quickjs] : bun ? ["bun", bun] : ["node", node];
  return [
    `${programName} version ${programVersion()}`,
    ...(typeof RUNLET_COMMIT === "string" ? [`commit: ${RUNLET_COMMIT}`] : []),
    `spec: ${ociVersion}`,
    `${engine}: ${engineVersion}`,
  ].join("\n");
}
