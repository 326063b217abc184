import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { errnoMessage, quote, RunletError } from "@runlet/errors";
import { isInUserNamespace, readUidMap } from "./host.ts";

const rootsOwn = "/run/runlet";
const rootMode = 0o711;

/** What decides where the state of containers lies. */
export interface StateRootFacts {
  readonly euid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether this process is in a user namespace that somebody has made. */
  isInUserNamespace(): boolean;
}

/**
 * The directory of the containers' states where none is named. It is never one that everybody may write to, where another user
 * could have made it first.
 *
 * Root of a user namespace is an ordinary user of the host, as when Podman runs without privilege: XDG_RUNTIME_DIR holds for
 * it too, unless USER says that it is root who has logged in there, as runc decides it.
 *
 * @throws RunletError `ERR_RUNLET_USAGE` for an ordinary user without XDG_RUNTIME_DIR.
 */
export function defaultStateRoot(facts: StateRootFacts = ownFacts()): string {
  const { XDG_RUNTIME_DIR: runtimeDirectory = "", USER: userName } = facts.env;
  const isHosts = facts.euid === 0 && (runtimeDirectory === "" || !facts.isInUserNamespace() || userName === "root");
  if (isHosts) return rootsOwn;
  if (isAbsolute(runtimeDirectory)) return join(runtimeDirectory, "runlet");
  throw new RunletError("ERR_RUNLET_USAGE", "there is no directory for the state of an ordinary user's containers", {
    hint: "log in so that XDG_RUNTIME_DIR is set, or name a directory of your own: --root",
  });
}

function ownFacts(): StateRootFacts {
  return {
    euid: process.geteuid?.() ?? 0,
    env: process.env,
    isInUserNamespace: () => isInUserNamespace(readUidMap()),
  };
}

/**
 * Makes the directory of the containers' states, where it is not there.
 *
 * @throws RunletError `ERR_RUNLET_NOT_ROOT`, `ERR_RUNLET_USAGE` for one that cannot be used.
 */
export function makeStateRoot(root: string): void {
  try {
    makeDirectories(root);
    accessSync(root, constants.W_OK);
  } catch (cause) {
    const errno = String((cause as NodeJS.ErrnoException).code);
    const isDenied = errno === "EACCES" || errno === "EPERM";
    throw new RunletError(
      isDenied ? "ERR_RUNLET_NOT_ROOT" : "ERR_RUNLET_USAGE",
      `the state root ${quote(root)} cannot be used: ${errnoMessage(errno)}`,
      { errno, syscall: "mkdir", hint: `${isDenied ? "run as root, or " : ""}name another directory: --root`, cause },
    );
  }
}

/** As `mkdir -p`: that of Node goes on for ever where nothing can be made, as in /proc. */
function makeDirectories(hostPath: string): void {
  try {
    makeDirectory(hostPath);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || dirname(hostPath) === hostPath) throw error;
    makeDirectories(dirname(hostPath));
    makeDirectory(hostPath);
  }
}

function makeDirectory(hostPath: string): void {
  try {
    mkdirSync(hostPath, { mode: rootMode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !statSync(hostPath).isDirectory()) throw error;
  }
}
