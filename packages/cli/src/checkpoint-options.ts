import { resolve } from "node:path";
import type { CheckpointOptions } from "@runlet/lifecycle";
import type { OptionValues } from "./command.ts";
import type { checkpointOptions } from "./options/checkpoint.ts";
import { UsageError } from "./usage-error.ts";

type SharedValues = Omit<
  OptionValues<typeof checkpointOptions>,
  "parent-path" | "leave-running" | "tcp-skip-in-flight" | "link-remap" | "status-fd" | "page-server" | "pre-dump"
>;

/** What `checkpoint` and `restore` ask alike. */
type SharedRequest = Omit<
  CheckpointOptions,
  "parentPath" | "leaveRunning" | "tcpSkipInFlight" | "linkRemap" | "statusFd" | "pageServer" | "preDump"
>;

/** @throws {@link UsageError} for a namespace that cannot be left empty. */
export function sharedRequest(options: SharedValues): SharedRequest {
  const { "manage-cgroups-mode": manageCgroupsMode, "work-path": workPath } = options;
  return {
    imagePath: resolve(options["image-path"] ?? "checkpoint"),
    tcpEstablished: options["tcp-established"],
    extUnixSk: options["ext-unix-sk"],
    shellJob: options["shell-job"],
    fileLocks: options["file-locks"],
    lazyPages: options["lazy-pages"],
    autoDedup: options["auto-dedup"],
    emptyNamespaces: options["empty-ns"].map(emptyNamespace),
    ...(manageCgroupsMode === undefined ? {} : { manageCgroupsMode }),
    ...(workPath === undefined ? {} : { workPath: resolve(workPath) }),
  };
}

function emptyNamespace(name: string): "network" {
  if (name === "network") return name;
  throw new UsageError(`namespace ${JSON.stringify(name)} is not supported: only network can be left empty`);
}

/** @throws {@link UsageError} for what is no `ADDRESS:PORT`. */
export function pageServer(text: string): { address: string; port: number } {
  const found = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const address = found?.[1] ?? found?.[2];
  const port = Number(found?.[3]);
  if (address !== undefined && port > 0 && port <= 0xffff) return { address, port };
  throw new UsageError("use --page-server ADDRESS:PORT to specify page server");
}
