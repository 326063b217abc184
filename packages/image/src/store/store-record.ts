import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { quote, RunletError } from "@runlet/errors";
import { layoutHeader } from "../layout/layout-index.ts";
import { ensureDirectory, isUnfinished, replaceFile } from "./durable-file.ts";
import { hasCode, storeError } from "./store-error.ts";
import { isHostRoot } from "./store-privileges.ts";

const recordName = "store.json";
const storeVersion = 1;

/** What a store's directory says of itself. */
export interface StoreRecord {
  readonly overlayXattrs: "trusted" | "user";
}

/**
 * Opens the directory of a store, making it if there is none, and if it is empty.
 *
 * @throws RunletError `ERR_RUNLET_STORE` for a directory that is something else, another user's, or of an unknown version.
 */
export async function openStoreDirectory(hostPath: string): Promise<StoreRecord> {
  const refuse = (reason: string, hint: string): never => {
    throw new RunletError("ERR_RUNLET_STORE", `cannot use ${quote(hostPath)} as a store: ${reason}`, { hint });
  };
  try {
    ensureDirectory(hostPath, 0o711);
    // What others have written below could be anything: a link, a FIFO, a layer of their making.
    const { uid, mode } = statSync(hostPath);
    if (uid !== process.geteuid?.())
      refuse("it belongs to another user", "use a store of your own: name its directory with --store");
    if ((mode & 0o022) !== 0) refuse("others may write to it", "take that away: chmod go-w, or name another directory");
    const existing = readRecord(hostPath) ?? (await createRecord(hostPath, refuse));
    if (existing.storeVersion !== storeVersion)
      refuse(
        `its version is ${quote(String(existing.storeVersion))}, not ${storeVersion}`,
        "use the version of runlet that made it",
      );
    const { overlayXattrs } = existing;
    if (overlayXattrs !== "trusted" && overlayXattrs !== "user")
      return refuse("its record is damaged", "check the disk; or remove the directory and pull the images again");
    if (overlayXattrs === "trusted" && !isHostRoot())
      refuse("root of the machine made it", "use a store of your own: name its directory with --store");
    await completeDirectory(hostPath);
    return { overlayXattrs };
  } catch (error) {
    throw storeError(`open the store ${quote(hostPath)}`, error);
  }
}

function readRecord(hostPath: string): Record<string, unknown> | undefined {
  try {
    const record: unknown = JSON.parse(readFileSync(join(hostPath, recordName), "utf8"));
    return typeof record === "object" && record !== null ? (record as Record<string, unknown>) : {};
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    if (error instanceof SyntaxError) return { storeVersion };
    throw error;
  }
}

async function createRecord(
  hostPath: string,
  refuse: (reason: string, hint: string) => never,
): Promise<Record<string, unknown>> {
  const strange = readdirSync(hostPath).find((name) => !isUnfinished(name));
  // Another process may have made it since.
  const existing = strange === undefined ? undefined : readRecord(hostPath);
  if (existing !== undefined) return existing;
  if (strange !== undefined)
    refuse(`it is no store, and holds ${quote(strange)}`, "name an empty directory, or one that is not there yet");
  const overlayXattrs = isHostRoot() ? "trusted" : "user";
  // First: from here on the directory is a store, whatever is still missing.
  await replaceFile(join(hostPath, recordName), `${JSON.stringify({ storeVersion, overlayXattrs })}\n`);
  return { storeVersion, overlayXattrs };
}

/** Makes what a store consists of, as far as it is missing. @throws the failures of the calls. */
async function completeDirectory(hostPath: string): Promise<void> {
  for (const name of ["blobs", "layers", "leases"]) mkdirSync(join(hostPath, name), { recursive: true, mode: 0o700 });
  const headerHostPath = join(hostPath, "oci-layout");
  if (!existsSync(headerHostPath)) await replaceFile(headerHostPath, layoutHeader);
}
