import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { RunletError } from "@runlet/errors";

/** Where ps(1) lies on a host; looked at before PATH, which engines start us without. */
const directories = ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin"];

/** Enough for the processes of a large host, with long command lines. */
const maximumOutputBytes = 256 * 1024 * 1024;

/**
 * Asks the host's ps(1) for its processes.
 *
 * @param args - its options; `-ef` when there are none.
 * @returns what it prints.
 * @throws {@link RunletError} `ERR_RUNLET_HOST` when there is none, `ERR_RUNLET_USAGE` with its own words when it fails.
 */
export function listProcesses(args: readonly string[]): string {
  const { status, signal, stdout, stderr, error } = spawnSync(findPs(), args.length === 0 ? ["-ef"] : args, {
    encoding: "utf8",
    maxBuffer: maximumOutputBytes,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (error !== undefined) throw new RunletError("ERR_RUNLET_HOST", `ps: ${error.message}`, { cause: error });
  if (status === 0) return stdout;
  const end = status === null ? `killed by ${signal}` : `exit status ${status}`;
  throw new RunletError("ERR_RUNLET_USAGE", `ps ${args.join(" ")}: ${end}: ${stderr.trim() || stdout.trim()}`, {
    hint: "what follows the container's id goes to ps(1)",
  });
}

function findPs(): string {
  for (const directory of [...directories, ...(process.env.PATH ?? "").split(delimiter)]) {
    if (!directory.startsWith("/")) continue;
    const hostPath = join(directory, "ps");
    try {
      accessSync(hostPath, constants.X_OK);
      return hostPath;
    } catch {
      // not here
    }
  }
  throw new RunletError("ERR_RUNLET_HOST", "this host has no ps(1)", {
    hint: "install it (procps), or ask for the ids alone: --format json",
  });
}

/**
 * The header of a table of ps(1), and the lines of the processes that are wanted. As in runc, what stands before the column
 * PID must be single words: `-o args,pid` finds nothing.
 *
 * @throws {@link RunletError} `ERR_RUNLET_USAGE` for a table that does not name its processes.
 */
export function selectProcesses(table: string, pids: ReadonlySet<number>): string {
  const [header = "", ...lines] = table.split("\n");
  const column = header.trim().split(/\s+/).indexOf("PID");
  if (column < 0) {
    throw new RunletError("ERR_RUNLET_USAGE", "couldn't find PID field in ps output", {
      hint: "let ps print the column PID too, for example with -o pid,args",
    });
  }
  const wanted = lines.filter((line) => pids.has(Number(line.trim().split(/\s+/)[column])));
  return [header, ...wanted].join("\n");
}
