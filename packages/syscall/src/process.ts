import { closeSync, readFileSync } from "node:fs";
import { errnoName, SyscallError } from "@runlet/errors";
import { binding, helperHostPath } from "./binding.ts";
import { check } from "./check.ts";
import { closeFd } from "./file.ts";
import { createMemoryFile, sendMessage } from "./socket.ts";

interface ProcessBinding {
  startHelper(
    helperFd: number,
    fds: readonly number[],
    cloneFlags: number,
    cgroupFd: number,
    control: string,
    outcome: Uint8Array,
    onEnd: () => void,
  ): number;
  waitPidfd(pidfd: number): number[] | number;
  waitAnyChild(): number[] | number;
  processStatus(pid: number): number[] | number;
  pidfdOpen(pid: number): number;
  pidfdSendSignal(pidfd: number, signal: number): number;
  setChildSubreaper(isSubreaper: boolean): number;
  flock(fd: number, operation: number): number;
  duplicate(fd: number, lowest: number): number;
  setNonblocking(fd: number): number;
}

/** Options of {@link startHelper}. */
export interface HelperOptions {
  /**
   * The helper's descriptors 0, 1, 2 and so on, of which the last is its control socket. That one is taken over, even when
   * starting fails; the others stay the caller's, and open until the helper is there.
   */
  readonly fds: readonly number[];
  /** `CLONE_NEW*` flags of clone3(2). */
  readonly cloneFlags: number;
  /** A cgroup v2 directory to start in (CLONE_INTO_CGROUP), or -1. */
  readonly cgroupFd?: number;
}

/** A child process: its id in the caller's pid namespace, and a descriptor that stands for it. */
export interface ChildProcess {
  readonly pid: number;
  /** Close-on-exec, the caller's to close. */
  readonly pidfd: number;
}

let helperFd: number | undefined;

/**
 * The init helper as a sealed file in memory: what a container sees at /proc/self/exe while it is being made is this, and
 * nothing on disk (CVE-2019-5736). Made once for each process.
 */
function sealedHelper(): number {
  helperFd ??= createMemoryFile("runlet-init", readFileSync(helperHostPath()), "program");
  return helperFd;
}

/** A helper that is being started. */
export interface StartingHelper {
  /** What {@link started} gives, once the helper is there; null before. Throws nothing: of a failure the promise tells. */
  childIfStarted(): ChildProcess | null;
  /**
   * The child, a zombie until {@link waitPidfd} has collected it.
   *
   * @throws {@link SyscallError} of clone3(2): `EPERM` without the privilege for a namespace, `ENOSPC` or `EUSERS` when there
   *   are too many namespaces, `EAGAIN` at the limit of processes.
   */
  started(): Promise<ChildProcess>;
}

/**
 * Words that are shared with the thread that starts a helper: whether the next two are there, process id | -errno, pidfd; and
 * whether it is to be told when they are.
 */
const [isThere, pidWord, pidfdWord, isAwaited, outcomeWords] = [0, 1, 2, 3, 4];

class HelperStart implements StartingHelper {
  readonly #outcome = new Int32Array(outcomeWords);
  #settle: (() => void) | null = null;
  #started: Promise<ChildProcess> | null = null;

  constructor({ fds, cloneFlags, cgroupFd = -1 }: HelperOptions) {
    const controlFd = fds.at(-1) ?? -1;
    let status = -1;
    try {
      status = binding<ProcessBinding>().startHelper(
        sealedHelper(),
        fds,
        cloneFlags,
        cgroupFd,
        String(fds.length - 1),
        new Uint8Array(this.#outcome.buffer),
        () => this.#settle?.(),
      );
    } finally {
      if (status < 0) closeFd(controlFd);
    }
    if (status < 0) this.#outcome.set([1, status]);
  }

  childIfStarted(): ChildProcess | null {
    if (Atomics.load(this.#outcome, isThere) === 0) return null;
    const pid = this.#outcome[pidWord] ?? 0;
    return pid < 0 ? null : { pid, pidfd: this.#outcome[pidfdWord] ?? -1 };
  }

  started(): Promise<ChildProcess> {
    this.#started ??= new Promise((resolve, reject) => {
      const settle = () => {
        const child = this.childIfStarted();
        if (child !== null) resolve(child);
        else reject(new SyscallError("clone3", -(this.#outcome[pidWord] ?? 0)));
      };
      if (Atomics.load(this.#outcome, isThere) !== 0) {
        settle();
        return;
      }
      this.#outcome[isAwaited] = 1;
      this.#settle = settle;
    });
    return this.#started;
  }
}

/**
 * Starts the init helper with a vfork-like clone3(2), straight into new namespaces, on a thread of the pool, so that the
 * caller can go on meanwhile: making namespaces takes the kernel as long as the caller has still to do. It then waits for its
 * plan ({@link sendPlan}). The size of the caller's memory costs nothing, and no code of the caller's runs in the child.
 *
 * @throws {@link SyscallError} of memfd_create(2).
 */
export function startHelper(options: HelperOptions): StartingHelper {
  return new HelperStart(options);
}

const MESSAGE_PLAN = 8;
const headBytes = 12;
/** The longest plan that goes in the message itself. */
const maxMessageBytes = 16 << 10;
const maxPassedFds = 253;

/**
 * Hands a plan over to the helper. In the helper the descriptors get the numbers behind the control socket's.
 *
 * @param controlFd - this side's end of the control socket.
 * @param fds - what the plan's slots name; they stay the caller's, as all do.
 * @throws {@link SyscallError} of sendmsg(2): `EPIPE` when the helper has ended.
 */
export function sendPlan(controlFd: number, plan: Uint8Array, fds: readonly number[]): void {
  if (plan.length > maxMessageBytes || !sendInMessage(controlFd, plan, fds)) sendAsFile(controlFd, plan, fds);
}

/** What is sent is made here. */
const planMessage = new Uint8Array(headBytes + maxMessageBytes);

/** @returns whether it was short enough for this host (net.core.wmem_default). */
function sendInMessage(controlFd: number, plan: Uint8Array, fds: readonly number[]): boolean {
  planMessage.set(planHead(fds.length, plan.length));
  planMessage.set(plan, headBytes);
  try {
    sendMessage(controlFd, planMessage.subarray(0, headBytes + plan.length), fds.slice(0, maxPassedFds));
  } catch (error) {
    if (error instanceof SyscallError && error.code === "EMSGSIZE") return false;
    throw error;
  }
  sendMoreFds(controlFd, fds);
  return true;
}

/** As a sealed file, which is the last descriptor. */
function sendAsFile(controlFd: number, plan: Uint8Array, fds: readonly number[]): void {
  const planFd = createMemoryFile("runlet-plan", plan);
  try {
    const all = [...fds, planFd];
    sendMessage(controlFd, planHead(all.length, 0), all.slice(0, maxPassedFds));
    sendMoreFds(controlFd, all);
  } finally {
    closeSync(planFd);
  }
}

function sendMoreFds(controlFd: number, fds: readonly number[]): void {
  for (let sent = maxPassedFds; sent < fds.length; sent += maxPassedFds)
    sendMessage(controlFd, planHead(fds.length, 0), fds.slice(sent, sent + maxPassedFds));
}

function planHead(fdCount: number, planBytes: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(MESSAGE_PLAN, fdCount, planBytes).buffer);
}

/** How a child ended, and what it used. */
export interface ChildExit {
  /** Exit status, or null when a signal ended it. */
  readonly exitCode: number | null;
  /** Signal number, or null. */
  readonly signalNumber: number | null;
  readonly userMicroseconds: number;
  readonly systemMicroseconds: number;
  readonly maxRssKiB: number;
}

const CLD_EXITED = 1;

/**
 * Collects a child that has ended, without waiting.
 *
 * @returns how it ended, or null while it runs.
 * @throws {@link SyscallError} `ECHILD` when it is no child of this process, or has been collected.
 */
export function waitPidfd(pidfd: number): ChildExit | null {
  const result = binding<ProcessBinding>().waitPidfd(pidfd);
  if (typeof result === "number") {
    check(result, "waitid");
    return null;
  }
  const [code = 0, status = 0, userMicroseconds = 0, systemMicroseconds = 0, maxRssKiB = 0] = result;
  return {
    exitCode: code === CLD_EXITED ? status : null,
    signalNumber: code === CLD_EXITED ? null : status,
    userMicroseconds,
    systemMicroseconds,
    maxRssKiB,
  };
}

/**
 * Collects any child that has ended, without waiting; for a subreaper, whose children are not all its own.
 *
 * @returns the process id, or null when none has ended or there is none.
 */
export function waitAnyChild(): number | null {
  const result = binding<ProcessBinding>().waitAnyChild();
  return typeof result === "number" ? null : (result[0] ?? null);
}

/** What of a process tells whether it is still the one that was recorded. */
export interface ProcessStatus {
  /** One letter of proc_pid_stat(5): `R`, `S`, `Z`, … */
  readonly state: string;
  /** When it started, in clock ticks after boot: a pid that was used again has another. */
  readonly startTime: number;
}

const largestPid = 2 ** 31 - 1;

/** @returns the status of a process from /proc/PID/stat, or null when there is none; also for what is no process id. */
export function readProcessStatus(pid: number): ProcessStatus | null {
  // A record that is damaged may name anything.
  if (!Number.isInteger(pid) || pid <= 0 || pid > largestPid) return null;
  const result = binding<ProcessBinding>().processStatus(pid);
  if (typeof result === "number") return null;
  const [state = 0, startTime = 0] = result;
  return { state: String.fromCharCode(state), startTime };
}

const [ENOENT, ESRCH, EINVAL] = [2, 3, 22];

/**
 * pidfd_open(2): a descriptor for a process, close-on-exec, the caller's. `ESRCH` when there is none: also where a thread has
 * the id, or only a session or a process group still has it, of which the kernel says EINVAL or ENOENT, as it is old or new.
 */
export function openPidfd(pid: number): number {
  const result = binding<ProcessBinding>().pidfdOpen(pid);
  const isOfNoProcess = pid > 0 && (result === -EINVAL || result === -ENOENT);
  return check(isOfNoProcess ? -ESRCH : result, "pidfd_open");
}

/** pidfd_send_signal(2). `ESRCH` when the process has ended. */
export function sendSignal(pidfd: number, signalNumber: number): void {
  check(binding<ProcessBinding>().pidfdSendSignal(pidfd, signalNumber), "pidfd_send_signal");
}

/** Whether orphans among this process's descendants become its own children (PR_SET_CHILD_SUBREAPER). */
export function setChildSubreaper(isSubreaper: boolean): void {
  check(binding<ProcessBinding>().setChildSubreaper(isSubreaper), "prctl");
}

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes a lock of a file (flock(2)) without waiting. It ends with the last descriptor of this open file, so a process that is
 * killed leaves no lock behind.
 *
 * @param mode - any number of descriptors may have a shared lock while none has an exclusive one.
 * @returns whether it was free.
 */
export function tryLock(fd: number, mode: "exclusive" | "shared" = "exclusive"): boolean {
  const result = binding<ProcessBinding>().flock(fd, (mode === "shared" ? LOCK_SH : LOCK_EX) | LOCK_NB);
  if (result < 0 && errnoName(-result) === "EAGAIN") return false;
  check(result, "flock");
  return true;
}

/** A copy of a descriptor, close-on-exec, at least `lowest`; the caller's. */
export function duplicate(fd: number, lowest = 3): number {
  return check(binding<ProcessBinding>().duplicate(fd, lowest), "fcntl");
}

/** Makes reads and writes of a pipe or socket fail with `EAGAIN` instead of waiting; holds for the open file. */
export function setNonblocking(fd: number): void {
  check(binding<ProcessBinding>().setNonblocking(fd), "fcntl");
}
