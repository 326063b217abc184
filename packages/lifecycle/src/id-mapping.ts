import { writeFileSync } from "node:fs";
import { errnoMessage, RunletError } from "@runlet/errors";
import type { IdMapping, WriteIdMappings } from "@runlet/plan";
import { idMapDirectories } from "./host.ts";
import { runProgram } from "./program.ts";

function formatMap(mappings: readonly IdMapping[]): string {
  return mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");
}

/**
 * Gives the user namespace of a process its maps. @see user_namespaces(7), newuidmap(1)
 *
 * @throws RunletError `ERR_RUNLET_ID_MAPPING`.
 */
export async function writeIdMappings(pid: number, operation: WriteIdMappings): Promise<void> {
  if (operation.method === "newidmap") {
    await runIdMap("newuidmap", pid, operation.uidMappings, "/linux/uidMappings");
    await runIdMap("newgidmap", pid, operation.gidMappings, "/linux/gidMappings");
    return;
  }
  // CVE-2014-8989: without the privilege, groups must be given up for good before there is a map.
  if (operation.setgroups !== null) writeMapFile(`/proc/${pid}/setgroups`, operation.setgroups, operation.from);
  writeMapFile(`/proc/${pid}/uid_map`, formatMap(operation.uidMappings), "/linux/uidMappings");
  writeMapFile(`/proc/${pid}/gid_map`, formatMap(operation.gidMappings), "/linux/gidMappings");
}

function writeMapFile(hostPath: string, text: string, pointer: string): void {
  try {
    writeFileSync(hostPath, text);
  } catch (cause) {
    const errno = String((cause as NodeJS.ErrnoException).code);
    throw new RunletError("ERR_RUNLET_ID_MAPPING", `${hostPath} cannot be written: ${errnoMessage(errno)}`, {
      pointer,
      syscall: "write",
      errno,
      hint: "an ordinary user may map its own id alone; ranges of /etc/subuid and /etc/subgid need newuidmap and newgidmap",
      cause,
    });
  }
}

async function runIdMap(name: string, pid: number, mappings: readonly IdMapping[], pointer: string): Promise<void> {
  const numbers = mappings.flatMap(({ containerID, hostID, size }) => [containerID, hostID, size].map(String));
  let why = "it is not installed";
  for (const directory of idMapDirectories) {
    try {
      const args = [name, String(pid), ...numbers];
      const { status, output } = await runProgram({ hostPath: `${directory}/${name}`, args, env: [] });
      if (status === 0) return;
      why = output.trim() || `exit status ${status}`;
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new RunletError("ERR_RUNLET_ID_MAPPING", `${name} refused the mappings: ${why}`, {
    pointer,
    hint: "each range must lie in one of the caller's in /etc/subuid and /etc/subgid",
  });
}
