import { quote, RunletError } from "@runlet/errors";
import { type FileStatus, fstat } from "@runlet/syscall";
import { isDirectoryModified, isFileModified, isSameFile } from "./comparison.ts";
import { MergedDirectory, type MergedEntry, type Tree } from "./merged-directory.ts";

/** Twice what an archive may have. Each level is a call within a call: many more would be too many. */
const maxDepth = 1000;

/** What became of a file. */
export type ChangeKind = "added" | "modified" | "deleted";

/** One difference between two trees. */
export interface Change {
  readonly kind: ChangeKind;
  /** Absolute path in the tree; bytes, as names need not be UTF-8. Of a directory that was deleted, only its own. */
  readonly containerPath: Buffer;
}

/** What is compared. */
export interface CompareOptions {
  /** How it was. Default: there was nothing. */
  readonly from?: Tree | undefined;
  /** How it is. Nobody should be writing to it meanwhile. */
  readonly to: Tree;
  /**
   * Absolute paths on which something was mounted. The empty files and directories that were made for that are no changes.
   */
  readonly mountPoints?: readonly string[] | undefined;
  /** For trees whose directories were made at other times than what they hold says. Default false. */
  readonly ignoresDirectoryTimes?: boolean | undefined;
}

/** A step of a walk through the differences. */
export interface Step {
  /** `kept`: a directory that is as it was, on the way to something that may not be. */
  readonly kind: ChangeKind | "kept";
  readonly containerPath: Buffer;
  /** What is there now; undefined for what was deleted. Its place is valid until the walk goes on. */
  readonly entry: Pick<MergedEntry, "place" | "status"> | undefined;
  /** Whether this is only there for something to be mounted on, unless it turns out to hold something. */
  readonly isMountPoint: boolean;
}

/**
 * Lists the differences between two trees: an image and a container that was made from it, two images, two directories. Sorted
 * by path, byte for byte, a directory before what it holds; the same trees always give the same list.
 *
 * @throws RunletError `ERR_RUNLET_ROOTFS` for a file that cannot be read, or lies too deep.
 */
export function listChanges(options: CompareOptions): Change[] {
  const changes: Change[] = [];
  const pending: Step[] = [];
  for (const step of walkChanges(options)) {
    dropSiblings(pending, step);
    if (step.isMountPoint) pending.push(step);
    else if (step.kind !== "kept") {
      for (const { kind, containerPath } of [...pending.splice(0), step])
        if (kind !== "kept") changes.push({ kind, containerPath });
    }
  }
  return changes;
}

/** Whether {@link listChanges} would list anything. @throws RunletError `ERR_RUNLET_ROOTFS` */
export function hasChanges(options: CompareOptions): boolean {
  for (const { kind, isMountPoint } of walkChanges(options)) if (kind !== "kept" && !isMountPoint) return true;
  return false;
}

/** Leaves in a list of directories only those that a step lies below. */
export function dropSiblings(pending: Step[], { containerPath }: Step): void {
  for (
    let last = pending.at(-1);
    last !== undefined && !isBelow(containerPath, last.containerPath);
    last = pending.at(-1)
  )
    pending.pop();
}

function isBelow(path: Buffer, directory: Buffer): boolean {
  if (directory.length === 1) return path.length > 1;
  return (
    path.length > directory.length &&
    path[directory.length] === slash &&
    path.subarray(0, directory.length).equals(directory)
  );
}

const slash = 0x2f;
const root = Buffer.from("/");

/**
 * Walks through two trees side by side, but never into what both have from the same layer.
 *
 * @throws RunletError `ERR_RUNLET_ROOTFS`
 */
export function* walkChanges(options: CompareOptions): Generator<Step, void, undefined> {
  const { from, to } = options;
  using before = from === undefined ? undefined : guard(root, () => MergedDirectory.open(from));
  using after = guard(root, () => MergedDirectory.open(to));
  const walk = new Walk(options);
  const entry = { place: { dirFd: after.fd, path: "." }, status: fstat(after.fd) };
  const earlier = before === undefined ? undefined : { directory: before, status: fstat(before.fd) };
  yield* walk.directory(root, { before: earlier, after, entry });
}

interface DirectoryPair {
  readonly before: { readonly directory: MergedDirectory; readonly status: FileStatus } | undefined;
  readonly after: MergedDirectory;
  readonly entry: Pick<MergedEntry, "place" | "status">;
  /** Whether something that is no directory was there. */
  readonly isReplaced?: boolean;
}

class Walk {
  /** Paths of mount points and of the directories that lead to them. */
  readonly #mountPoints = new Set<string>();
  readonly #ignoresDirectoryTimes: boolean;

  constructor({ mountPoints = [], ignoresDirectoryTimes = false }: CompareOptions) {
    this.#ignoresDirectoryTimes = ignoresDirectoryTimes;
    for (const containerPath of mountPoints) {
      let path = "";
      for (const component of containerPath.split("/")) {
        if (component === "" || component === ".") continue;
        path = `${path}/${component}`;
        this.#mountPoints.add(Buffer.from(path).toString("latin1"));
      }
    }
  }

  *directory(containerPath: Buffer, pair: DirectoryPair): Generator<Step, void, undefined> {
    const { before, after, entry, isReplaced = false } = pair;
    checkDepth(containerPath);
    const earlier = new Map<string, MergedEntry>();
    const entries = guard(containerPath, () => {
      for (const child of before?.directory.entries() ?? []) earlier.set(keyOf(child.name), child);
      return after.entries();
    });
    const isMountPoint = before === undefined && !isReplaced && this.#isMountPoint(containerPath);
    const kind = isReplaced
      ? "modified"
      : before === undefined
        ? "added"
        : guard(containerPath, () => this.#kindOf(containerPath, { before, pair, earlier, entries }));
    yield { kind, containerPath, entry, isMountPoint };
    const remaining = new Map(earlier);
    for (const child of entries) remaining.delete(keyOf(child.name));
    const names = [...entries, ...remaining.values()].sort((a, b) => Buffer.compare(a.name, b.name));
    for (const child of names) {
      const path = join(containerPath, child.name);
      if (remaining.get(keyOf(child.name)) === child)
        yield { kind: "deleted", containerPath: path, entry: undefined, isMountPoint: false };
      else
        yield* this.#child(path, { child, earlier: earlier.get(keyOf(child.name)), before: before?.directory, after });
    }
  }

  *#child(
    path: Buffer,
    options: {
      child: MergedEntry;
      earlier: MergedEntry | undefined;
      before: MergedDirectory | undefined;
      after: MergedDirectory;
    },
  ): Generator<Step, void, undefined> {
    const { child, earlier, before, after } = options;
    if (child.directories.length === 0) {
      const kind = guard(path, () =>
        earlier === undefined ? "added" : isFileModified(earlier, child) ? "modified" : undefined,
      );
      const isMountPoint = kind === "added" && child.status.sizeBytes === 0 && this.#isMountPoint(path);
      if (kind !== undefined && !isMountPoint) yield { kind, containerPath: path, entry: child, isMountPoint };
      return;
    }
    if (earlier !== undefined && isUntouched(earlier, child)) return;
    using directory = guard(path, () => after.openEntry(child));
    if (earlier === undefined || before === undefined || earlier.directories.length === 0) {
      const isReplaced = earlier !== undefined;
      yield* this.directory(path, { before: undefined, after: directory, entry: child, isReplaced });
      return;
    }
    using earlierDirectory = guard(path, () => before.openEntry(earlier));
    yield* this.directory(path, {
      before: { directory: earlierDirectory, status: earlier.status },
      after: directory,
      entry: child,
    });
  }

  #kindOf(
    containerPath: Buffer,
    options: {
      before: NonNullable<DirectoryPair["before"]>;
      pair: DirectoryPair;
      earlier: ReadonlyMap<string, MergedEntry>;
      entries: readonly MergedEntry[];
    },
  ): "modified" | "kept" {
    const { before, pair, earlier, entries } = options;
    const isMadeForMount = ({ name }: MergedEntry) =>
      !earlier.has(keyOf(name)) && this.#isMountPoint(join(containerPath, name));
    const ignoresTime = this.#ignoresDirectoryTimes || entries.some(isMadeForMount);
    const to = { directory: pair.after, status: pair.entry.status };
    return isDirectoryModified({ from: before, to, ignoresTime }) ? "modified" : "kept";
  }

  #isMountPoint(containerPath: Buffer): boolean {
    return this.#mountPoints.has(keyOf(containerPath));
  }
}

/** @throws RunletError `ERR_RUNLET_ROOTFS` */
function checkDepth(containerPath: Buffer): void {
  let depth = 0;
  for (const byte of containerPath) if (byte === root[0]) depth++;
  if (depth <= maxDepth) return;
  throw new RunletError(
    "ERR_RUNLET_ROOTFS",
    `${quote(containerPath.toString())} lies deeper than ${maxDepth} directories`,
    {
      hint: "move it up, or remove it",
    },
  );
}

/** Whether a directory comes from the same layers as before: then so does all that it holds. */
function isUntouched(from: MergedEntry, to: MergedEntry): boolean {
  return isSameFile(from.status, to.status) && from.directories.length === to.directories.length;
}

function keyOf(name: Buffer): string {
  return name.toString("latin1");
}

function join(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat(directory.length === 1 ? [directory, name] : [directory, root, name]);
}

/** Says of an error of a system call which file it was about. */
export function guard<Value>(containerPath: Buffer, action: () => Value): Value {
  try {
    return action();
  } catch (error) {
    const { code, syscall, path } = error as { code?: unknown; syscall?: string; path?: string };
    if (!(error instanceof Error) || error instanceof RunletError || typeof code !== "string") throw error;
    const name = containerPath.length === 1 && path !== undefined ? path : containerPath.toString();
    throw new RunletError("ERR_RUNLET_ROOTFS", `cannot read ${quote(name)}`, { syscall, errno: code, cause: error });
  }
}
