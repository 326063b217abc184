import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { quote, RunletError } from "@runlet/errors";

const programName = "criu";

/** Where programs are looked for: engines call runtimes without a PATH. CRIU looks for tar, ip and iptables there too. */
export function programSearchPath(): string {
  const { PATH } = process.env;
  return PATH === undefined || PATH === "" ? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" : PATH;
}

/**
 * The CRIU of this host.
 *
 * @param given - path of the program, where it is not to be looked for.
 * @returns an absolute path. Relative directories of the PATH are passed over.
 * @throws RunletError `ERR_RUNLET_CHECKPOINT` when there is none.
 */
export function findCriu(given?: string): string {
  if (given !== undefined) {
    if (isAbsolute(given) && isExecutable(given)) return given;
    throw new RunletError("ERR_RUNLET_CHECKPOINT", `${quote(given)} is no program that can be run`, {
      hint: "give the absolute path of CRIU, or leave it out: then it is looked for in the PATH",
    });
  }
  for (const directory of programSearchPath().split(":")) {
    const hostPath = join(directory, programName);
    if (isAbsolute(directory) && isExecutable(hostPath)) return hostPath;
  }
  throw new RunletError("ERR_RUNLET_CHECKPOINT", "checkpoint and restore need CRIU, which is not installed", {
    hint: "install criu, 3.15 or newer: https://criu.org/Packages",
    details: { searchPath: programSearchPath() },
  });
}

function isExecutable(hostPath: string): boolean {
  try {
    accessSync(hostPath, constants.X_OK);
    return statSync(hostPath).isFile();
  } catch {
    return false;
  }
}
