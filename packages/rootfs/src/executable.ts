import { quote } from "@runlet/errors";
import { closeFd, fileTypes, fstat, fstatfs, mountFlags } from "@runlet/syscall";
import { type ElfFile, parseElf } from "./elf.ts";
import { describeHost, describeTarget, isRunnable, isSameTarget } from "./elf-machine.ts";
import { isErrno, type RootDirectory, readFileAt } from "./root-directory.ts";
import { parseShebang, type Shebang, shebangLengthBytes } from "./shebang.ts";

/** What keeps a file from being executed. */
export type DiagnosisReason =
  | "missing"
  | "not-a-file"
  | "not-executable"
  | "noexec-mount"
  | "unreadable"
  | "empty"
  | "unknown-format"
  | "damaged"
  | "wrong-architecture"
  | "interpreter-missing"
  | "interpreter-unfit"
  | "script-line"
  | "script-interpreter-missing"
  | "script-too-deep";

/** Why execve(2) fails, found by looking. */
export interface Diagnosis {
  readonly reason: DiagnosisReason;
  /** Path in the container of the file at fault, which may be an interpreter. */
  readonly containerPath: string;
  /** One line: the file and what is wrong with it. */
  readonly message: string;
  /** What to do about it. */
  readonly hint: string | undefined;
}

/** An executable as the kernel would take it. */
export type Inspection =
  | { readonly kind: "elf"; readonly elf: ElfFile }
  | { readonly kind: "script"; readonly shebang: Shebang; readonly interpreter: Inspection }
  | { readonly kind: "fault"; readonly diagnosis: Diagnosis };

/** Opens a path of the container for reading, or answers undefined where nothing is. The descriptor is closed by the asker. */
export type OpenInRoot = (containerPath: string) => number | undefined;

/** Who would execute the file. Root needs one execute bit of the three, others theirs. */
export interface Executor {
  readonly uid: number;
  readonly gids: readonly number[];
}

interface Subject {
  /** Descriptor of the file, open for reading; stays the caller's. */
  readonly fd: number;
  readonly containerPath: string;
  readonly openInRoot: OpenInRoot;
  /** Default: root. */
  readonly executor?: Executor | undefined;
}

/** The kernel follows a script to its interpreter this often (`exec_binprm`). */
const maxScriptDepth = 5;

/**
 * Looks at a file as execve(2) would, without executing anything: type, execute bits, mount, format, architecture, and the
 * interpreter that it names.
 *
 * @returns what it is, or the first thing that is wrong with it.
 * @throws SyscallError for a failing descriptor.
 */
export function inspectExecutable(subject: Subject): Inspection {
  return inspect(subject, 0);
}

/**
 * Finds why a path of a container cannot be executed, after execve(2) has said so in one number.
 *
 * @param options.root - the container's root filesystem; stays open and stays the caller's.
 * @param options.containerPath - absolute path of the executable in the container.
 * @returns undefined if nothing is wrong as far as can be seen.
 * @throws SyscallError for a failing descriptor.
 */
export function diagnoseExecutable(options: {
  root: RootDirectory;
  containerPath: string;
  executor?: Executor;
}): Diagnosis | undefined {
  const { root, containerPath, executor } = options;
  let fd: number | undefined;
  try {
    fd = root.openIfExists(containerPath);
  } catch (error) {
    if (!isErrno(error, "EACCES") && !isErrno(error, "EPERM") && !isErrno(error, "ENXIO")) throw error;
    return diagnosis(
      "unreadable",
      containerPath,
      "cannot be opened by this user",
      "check the permissions of its directories",
    );
  }
  if (fd === undefined) return explainMissing(root, containerPath);
  try {
    const openInRoot = (path: string) => root.openIfExists(path);
    const inspection = inspect({ fd, containerPath, openInRoot, executor }, 0);
    return findFault(inspection);
  } finally {
    closeFd(fd);
  }
}

function findFault(inspection: Inspection): Diagnosis | undefined {
  if (inspection.kind === "fault") return inspection.diagnosis;
  return inspection.kind === "script" ? findFault(inspection.interpreter) : undefined;
}

function explainMissing(root: RootDirectory, containerPath: string): Diagnosis {
  const hint = "paths are those inside the container: check process.args and PATH";
  if (root.has(containerPath))
    return diagnosis("missing", containerPath, "is a link that leads nowhere inside the container", hint);
  const components = containerPath.split("/").filter(Boolean);
  for (let depth = 1; depth < components.length; depth++) {
    const directory = `/${components.slice(0, depth).join("/")}`;
    if (!root.has(directory))
      return diagnosis("missing", containerPath, `does not exist: there is no directory ${quote(directory)}`, hint);
  }
  return diagnosis("missing", containerPath, "does not exist", hint);
}

function diagnosis(reason: DiagnosisReason, containerPath: string, words: string, hint?: string): Diagnosis {
  return { reason, containerPath, message: `${quote(containerPath)} ${words}`, hint };
}

function inspect(subject: Subject, depth: number): Inspection {
  const { fd, containerPath, openInRoot } = subject;
  const fault = (reason: DiagnosisReason, words: string, hint?: string): Inspection => ({
    kind: "fault",
    diagnosis: diagnosis(reason, containerPath, words, hint),
  });
  const status = fstat(fd);
  const type = status.mode & fileTypes.S_IFMT;
  if (type === fileTypes.S_IFDIR) return fault("not-a-file", "is a directory", "name the executable inside it");
  if (type !== fileTypes.S_IFREG) return fault("not-a-file", "is no regular file");
  if (!mayExecute(status, subject.executor)) {
    const bits = (status.mode & 0o7777).toString(8).padStart(4, "0");
    return fault("not-executable", `may not be executed: its mode is ${bits}`, "give it execute permission: chmod +x");
  }
  if ((fstatfs(fd).flags & mountFlags.ST_NOEXEC) !== 0)
    return fault("noexec-mount", "lies on a mount with the option noexec", "remove noexec from that mount's options");
  const head = readFileAt(fd, 0, shebangLengthBytes);
  if (head.length === 0) return fault("empty", "is empty");

  const shebang = parseShebang(head);
  if (shebang === "malformed") return fault("script-line", "starts with #! but names no interpreter in its first line");
  if (shebang !== undefined) return inspectScript(subject, shebang, depth);

  const elf = parseElf((offset, length) => readFileAt(fd, offset, length));
  if (elf === "not-elf")
    return fault(
      "unknown-format",
      "is neither an ELF executable nor a script with #!",
      "begin a script with #! and its interpreter",
    );
  if (elf === "truncated") return fault("damaged", "is an ELF file that ends too early", "copy it again");
  if (elf === "malformed") return fault("damaged", "is a damaged ELF file, or no executable");
  if (!isRunnable(elf)) {
    const hint = "build it for this machine, or register an emulator with binfmt_misc";
    return fault("wrong-architecture", `is for ${describeTarget(elf)}, this machine is ${describeHost()}`, hint);
  }
  if (elf.interpreter === undefined) return { kind: "elf", elf };
  return inspectInterpreter(subject, elf, openInRoot);
}

function inspectScript(subject: Subject, shebang: Shebang, depth: number): Inspection {
  const { containerPath, openInRoot, executor } = subject;
  const fault = (reason: DiagnosisReason, words: string, hint?: string): Inspection => ({
    kind: "fault",
    diagnosis: diagnosis(reason, containerPath, words, hint),
  });
  if (depth >= maxScriptDepth)
    return fault("script-too-deep", "is a script whose interpreters are scripts, too many deep");
  const interpreterFd = openInRoot(shebang.interpreter);
  if (interpreterFd === undefined) {
    const carriageReturn = shebang.interpreter.endsWith("\r");
    return fault(
      "script-interpreter-missing",
      `is a script for ${quote(shebang.interpreter)}, which does not exist in the root filesystem`,
      carriageReturn
        ? "its first line ends with a carriage return: save it with Unix line ends"
        : "put the interpreter into the root filesystem",
    );
  }
  try {
    const interpreter = inspect(
      { fd: interpreterFd, containerPath: shebang.interpreter, openInRoot, executor },
      depth + 1,
    );
    return interpreter.kind === "fault" ? interpreter : { kind: "script", shebang, interpreter };
  } finally {
    closeFd(interpreterFd);
  }
}

function inspectInterpreter(subject: Subject, elf: ElfFile, openInRoot: OpenInRoot): Inspection {
  const interpreter = elf.interpreter ?? "";
  const fault = (reason: DiagnosisReason, words: string): Inspection => ({
    kind: "fault",
    diagnosis: diagnosis(
      reason,
      subject.containerPath,
      words,
      "link it statically, or bring its interpreter and libraries: runlet bundle --from",
    ),
  });
  const interpreterFd = openInRoot(interpreter);
  if (interpreterFd === undefined)
    return fault(
      "interpreter-missing",
      `is dynamically linked and needs ${quote(interpreter)}, which does not exist in the root filesystem`,
    );
  try {
    const parsed = parseElf((offset, length) => readFileAt(interpreterFd, offset, length));
    if (typeof parsed === "string")
      return fault("interpreter-unfit", `needs ${quote(interpreter)}, which is no ELF file that can be loaded`);
    if (!isSameTarget(parsed, elf)) {
      const words = `is for ${describeTarget(elf)}, its interpreter ${quote(interpreter)} for ${describeTarget(parsed)}`;
      return fault("interpreter-unfit", words);
    }
    if (!mayExecute(fstat(interpreterFd), subject.executor))
      return fault("interpreter-unfit", `needs ${quote(interpreter)}, which has no execute permission`);
  } finally {
    closeFd(interpreterFd);
  }
  return { kind: "elf", elf };
}

function mayExecute(status: { mode: number; uid: number; gid: number }, executor?: Executor): boolean {
  if (executor === undefined || executor.uid === 0) return (status.mode & 0o111) !== 0;
  if (executor.uid === status.uid) return (status.mode & 0o100) !== 0;
  return (status.mode & (executor.gids.includes(status.gid) ? 0o010 : 0o001)) !== 0;
}
