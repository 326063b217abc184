import { realpathSync } from "node:fs";
import { quote, RunletError } from "@runlet/errors";
import { atFlags, closeFd, openat, openFlags } from "@runlet/syscall";
import { type Inspection, inspectExecutable, type OpenInRoot } from "./executable.ts";
import type { CacheEntry } from "./ld-cache.ts";
import { type LoadedObject, type MissingLibrary, resolveLibraries } from "./library-resolver.ts";
import { errnoOf, isErrno, type RootDirectory } from "./root-directory.ts";

/** A file that an executable needs in the container. */
export interface NeededFile {
  readonly hostPath: string;
  readonly containerPath: string;
  /** What it is there for. */
  readonly role: "executable" | "interpreter" | "library";
}

/** An executable with everything that it names. */
export interface ExecutableFiles {
  readonly files: readonly NeededFile[];
  /** Entries for the container's own `ld.so.cache`: libraries that are found by it alone. */
  readonly cacheEntries: readonly CacheEntry[];
  /** What a reader should know: things that were not and cannot be brought along. */
  readonly notes: readonly string[];
}

const defaultPath = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/**
 * Finds what an executable of the host needs to run elsewhere: its dynamic linker and libraries, the interpreter of a script with
 * its own. Nothing is executed.
 *
 * @param options.host - the host's root directory.
 * @param options.root - the root filesystem as it is so far: a dynamic linker that it has serves with the libraries that are
 *   there too, as those of two systems do not mix.
 * @param options.broughtPaths - what is in `root` but came from the host.
 * @param options.hostPath - the executable.
 * @param options.containerPath - where it is to lie.
 * @throws RunletError `ERR_RUNLET_EXECUTABLE`: missing, not executable, of another architecture, damaged, without its
 *   interpreter; or libraries that it needs are missing, all of which are named.
 */
export function findExecutableFiles(options: {
  host: RootDirectory;
  root?: RootDirectory;
  broughtPaths?: ReadonlySet<string>;
  hostPath: string;
  containerPath: string;
}): ExecutableFiles {
  const { host, hostPath, containerPath } = options;
  const open: OpenInRoot = (path) => {
    try {
      return host.openIfExists(path);
    } catch (error) {
      if (isErrno(error, "EACCES") || isErrno(error, "EPERM")) return undefined;
      throw error;
    }
  };
  const { inspection, realPath } = inspectHostFile(hostPath, open);
  const { root, broughtPaths } = options;
  const collection: Collection = {
    open,
    root,
    broughtPaths: broughtPaths ?? new Set(),
    files: new Map(),
    cacheEntries: new Map(),
    notes: [],
    missing: [],
  };
  collect(collection, { inspection, sourcePath: realPath, hostPath, containerPath, role: "executable" });
  if (collection.missing.length > 0) throw missingLibraries(hostPath, collection.missing);
  return {
    files: [...collection.files.values()],
    cacheEntries: [...collection.cacheEntries.values()],
    notes: collection.notes,
  };
}

function inspectHostFile(hostPath: string, openInRoot: OpenInRoot): { inspection: Inspection; realPath: string } {
  let fd: number;
  let realPath: string;
  try {
    realPath = realpathSync(hostPath);
    fd = openat({ dirFd: atFlags.AT_FDCWD, path: realPath, flags: openFlags.O_RDONLY | openFlags.O_NONBLOCK });
  } catch (error) {
    throw new RunletError("ERR_RUNLET_EXECUTABLE", `cannot bundle ${quote(hostPath)}: it cannot be opened`, {
      syscall: "open",
      errno: errnoOf(error),
      hint: "name an executable file, a directory or a tar archive",
      cause: error,
    });
  }
  try {
    const inspection = inspectExecutable({ fd, containerPath: hostPath, openInRoot });
    if (inspection.kind !== "fault") return { inspection, realPath };
    const { message, reason, hint } = inspection.diagnosis;
    throw new RunletError("ERR_RUNLET_EXECUTABLE", `cannot bundle ${quote(hostPath)}: ${hostWords(message)}`, {
      hint: reason === "interpreter-missing" ? "install what it needs on this host, or link it statically" : hint,
      details: { reason, hostPath },
    });
  } finally {
    closeFd(fd);
  }
}

/** What is looked through here is the host. */
function hostWords(message: string): string {
  return message.replace(/ in the root filesystem$/, " on this host");
}

interface Collection {
  readonly open: OpenInRoot;
  readonly root: RootDirectory | undefined;
  readonly broughtPaths: ReadonlySet<string>;
  readonly files: Map<string, NeededFile>;
  readonly cacheEntries: Map<string, CacheEntry>;
  readonly notes: string[];
  readonly missing: MissingLibrary[];
}

interface Found {
  readonly inspection: Inspection;
  /** Without links, as `$ORIGIN` is. */
  readonly sourcePath: string;
  readonly hostPath: string;
  readonly containerPath: string;
  readonly role: NeededFile["role"];
}

function collect(collection: Collection, found: Found): void {
  const { inspection, containerPath, hostPath, role, sourcePath } = found;
  if (inspection.kind === "fault") throw new Error("a file with a fault is not collected");
  add(collection, { hostPath, containerPath, role });
  if (inspection.kind === "script") {
    const { interpreter, argument } = inspection.shebang;
    collectInterpreter(collection, interpreter, inspection.interpreter);
    if (/\/env$/.test(interpreter) && argument !== undefined) collectByEnv(collection, argument);
    else noteInterpreter(collection, interpreter);
    return;
  }
  const { elf } = inspection;
  if (elf.interpreter === undefined) return;
  if (collection.root?.has(elf.interpreter) === true && !collection.broughtPaths.has(elf.interpreter)) {
    const { root } = collection;
    const resolved = resolveLibraries({
      open: (path) => root.openIfExists(path),
      sourcePath: containerPath,
      containerPath,
      elf,
    });
    collection.missing.push(...resolved.missing);
    return;
  }
  add(collection, { hostPath: elf.interpreter, containerPath: elf.interpreter, role: "interpreter" });
  const { libraries, missing } = resolveLibraries({ open: collection.open, sourcePath, containerPath, elf });
  for (const library of libraries) addLibrary(collection, library);
  collection.missing.push(...missing);
}

function add(collection: Collection, file: NeededFile): void {
  if (!collection.files.has(file.containerPath)) collection.files.set(file.containerPath, file);
}

function addLibrary(collection: Collection, library: LoadedObject): void {
  const { sourcePath, containerPath, cacheEntry } = library;
  add(collection, { hostPath: sourcePath, containerPath, role: "library" });
  if (cacheEntry !== undefined)
    collection.cacheEntries.set(cacheEntry.name, { ...cacheEntry, isForCapabilities: false });
}

function collectInterpreter(collection: Collection, path: string, inspection: Inspection): void {
  collect(collection, {
    inspection,
    sourcePath: realpathSync(path),
    hostPath: path,
    containerPath: path,
    role: "interpreter",
  });
}

/** `#!/usr/bin/env NAME`: env looks NAME up in PATH, so that is brought too. */
function collectByEnv(collection: Collection, argument: string): void {
  const name = argument.replace(/^-S\s*/, "").split(/\s+/)[0] ?? "";
  for (const directory of defaultPath) {
    const path = `${directory}/${name}`;
    const fd = collection.open(path);
    if (fd === undefined) continue;
    try {
      const inspection = inspectExecutable({ fd, containerPath: path, openInRoot: collection.open });
      if (inspection.kind === "fault") continue;
      collectInterpreter(collection, path, inspection);
      noteInterpreter(collection, path);
      return;
    } finally {
      closeFd(fd);
    }
  }
  throw new RunletError(
    "ERR_RUNLET_EXECUTABLE",
    `cannot bundle a script for ${quote(name)}: it is in none of ${defaultPath.join(":")}`,
    {
      hint: "install the interpreter on this host, or bundle it with --from INTERPRETER:/usr/bin/NAME",
    },
  );
}

function noteInterpreter(collection: Collection, interpreter: string): void {
  collection.notes.push(
    `${quote(interpreter)} came with its libraries; programs and modules that the script itself uses did not`,
  );
}

function missingLibraries(hostPath: string, missing: readonly MissingLibrary[]): RunletError {
  const lines = missing.map(({ name, neededBy, searched, passedOver }) => {
    const unfit = passedOver.length > 0 ? ` (not fit: ${passedOver.map(quote).join(", ")})` : "";
    return `library ${quote(name)}, needed by ${quote(neededBy)}, is in none of ${searched.map(quote).join(", ")}${unfit}`;
  });
  return new RunletError("ERR_RUNLET_EXECUTABLE", `cannot bundle ${quote(hostPath)}: ${lines.join("; ")}`, {
    hint: "install what is missing on this host, or link the executable statically",
    details: { reason: "library-missing", hostPath, missing },
  });
}
