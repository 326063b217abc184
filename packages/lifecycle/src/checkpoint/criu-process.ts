import { closeSync } from "node:fs";
import type { CgroupDescriptors } from "@runlet/cgroups";
import { quote, RunletError, SyscallError } from "@runlet/errors";
import type { Descriptor, NamespaceType, Operation, Plan } from "@runlet/plan";
import { receiveMessage, SOCK_SEQPACKET, sendMessage, socketpair, waitReadable } from "@runlet/syscall";
import { failureInPlan } from "../failure.ts";
import { HelperDriver } from "../helper-driver.ts";
import type { Report } from "../message.ts";
import { type CriuRequest, type CriuResponse, requestFields, requestTypes, responseFields } from "./criu-message.ts";
import { programSearchPath } from "./criu-program.ts";
import { decodeMessage, encodeMessage } from "./protobuf.ts";

/** What the helper does before it executes CRIU. */
export interface CriuSurroundings {
  /** Namespaces that CRIU gets of its own. */
  readonly namespaces: readonly NamespaceType[];
  /** Whether CRIU starts in the control group `cgroup` of the unified hierarchy. */
  readonly intoCgroup: boolean;
  readonly operations: readonly Operation[];
  readonly descriptors: readonly Descriptor[];
  /** What `descriptors` need; stays the caller's. */
  readonly cgroup: CgroupDescriptors | null;
  /** Carries out an operation of the parent's. */
  carryOut(operation: Operation, pid: number): Promise<void>;
}

/** How CRIU is started. */
export interface CriuStart {
  /** Absolute path of the program. */
  readonly hostPath: string;
  /** Its standard streams; they stay the caller's. */
  readonly fds: readonly [number, number, number];
  /** Its descriptors from {@link firstInheritedFd} on; they stay the caller's. */
  readonly inheritedFds?: readonly number[];
  readonly surroundings?: CriuSurroundings;
  readonly signal?: AbortSignal | undefined;
}

/** A notification, by which CRIU says where it is and waits for the answer. */
export interface CriuNotification {
  /** `pre-dump`, `post-dump`, `setup-namespaces`, `post-restore`, `orphan-pts-master` and so on. */
  readonly script: string;
  /** Process id of the container's first process, 0 where there is none yet. */
  readonly pid: number;
  /** Descriptors that came along, the receiver's. */
  readonly fds: readonly number[];
}

/** Descriptor of CRIU's end of the socket: `criu swrk 3`. */
const socketFd = 3;
/** First of the descriptors that {@link CriuStart.inheritedFds} become. */
export const firstInheritedFd = socketFd + 1;

const maxMessageBytes = 64 * 1024;

/**
 * One `criu swrk`: a CRIU that answers one request on a socket. It is executed without a shell by the init helper, in whose
 * hands it may get namespaces and a control group first. Disposing kills it.
 */
export class CriuProcess implements AsyncDisposable {
  readonly #driver: HelperDriver;
  readonly #signal: AbortSignal | undefined;
  #fd: number;

  private constructor(driver: HelperDriver, fd: number, signal: AbortSignal | undefined) {
    this.#driver = driver;
    this.#fd = fd;
    this.#signal = signal;
  }

  /** @throws RunletError `ERR_RUNLET_CHECKPOINT` when it cannot be executed. */
  static async start(options: CriuStart): Promise<CriuProcess> {
    const { hostPath, surroundings, signal, inheritedFds = [] } = options;
    const plan = planOf(options);
    const driver = new HelperDriver({
      plan,
      signal,
      carryOut: async (operation, pid) => await surroundings?.carryOut(operation, pid),
      hookState: () => {
        throw new Error("no hook runs in the plan of CRIU");
      },
      passListener: () => {},
      explainFailure: (report) => explainFailure(plan, report, hostPath),
    });
    const [ourFd, theirFd] = socketpair(SOCK_SEQPACKET);
    const criu = new CriuProcess(driver, ourFd, signal);
    try {
      try {
        driver.start({
          fds: [...options.fds, theirFd, ...inheritedFds],
          cgroupFd: surroundings?.intoCgroup ? surroundings.cgroup?.directoryFd : null,
        });
        await driver.handOver({ startSocketFd: null, cgroup: surroundings?.cgroup ?? null });
      } finally {
        closeSync(theirFd);
      }
      await driver.drive();
      return criu;
    } catch (error) {
      await criu[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** In the caller's pid namespace. */
  get pid(): number {
    return this.#driver.child.pid;
  }

  /**
   * Sends a request and waits for its answer.
   *
   * @param onNotification - called for each notification; CRIU goes on when it has returned, and gives up when it throws.
   * @throws RunletError `ERR_RUNLET_CHECKPOINT` when CRIU ends without an answer; what `onNotification` throws.
   */
  async request(
    request: CriuRequest,
    onNotification: (notification: CriuNotification) => void | Promise<void> = ({ fds }) => fds.forEach(closeSync),
  ): Promise<CriuResponse> {
    this.#send(request);
    for (;;) {
      const { response, fds } = await this.#receive();
      if (response.type !== requestTypes.NOTIFY) {
        fds.forEach(closeSync);
        return response;
      }
      const { script = "", pid = 0 } = response.notify ?? {};
      try {
        await onNotification({ script, pid, fds });
      } catch (error) {
        this.#send({ type: requestTypes.NOTIFY, notifySuccess: false });
        throw error;
      }
      this.#send({ type: requestTypes.NOTIFY, notifySuccess: true });
    }
  }

  /** Tells CRIU that nothing more comes and waits for its end. @returns whether it ended with status 0. */
  async finish(): Promise<boolean> {
    this.#close();
    return (await this.#driver.awaitEnd()).exitCode === 0;
  }

  #send(request: CriuRequest): void {
    try {
      sendMessage(this.#fd, encodeMessage(requestFields, request));
    } catch (error) {
      // It has ended: the next message, which is that end, says so.
      if (!(error instanceof SyscallError) || error.code !== "EPIPE") throw error;
    }
  }

  async #receive(): Promise<{ response: CriuResponse; fds: readonly number[] }> {
    for (;;) {
      const message = receiveMessage(this.#fd, maxMessageBytes);
      if (message === null) {
        await waitReadable(this.#fd, this.#signal);
        continue;
      }
      if (message.bytes.length > 0) return { response: decodeMessage(responseFields, message.bytes), fds: message.fds };
      const { exitCode, signalNumber } = await this.#driver.awaitEnd();
      const how = exitCode === null ? `signal ${signalNumber}` : `exit status ${exitCode}`;
      throw new RunletError("ERR_RUNLET_CHECKPOINT", `CRIU ended without an answer: ${how}`);
    }
  }

  #close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    await this.#driver[Symbol.asyncDispose]();
  }
}

const from = "spec:runtime.md#operations";

function planOf({ hostPath, surroundings, inheritedFds = [] }: CriuStart): Plan {
  const { namespaces = [], intoCgroup = false, operations = [], descriptors = [] } = surroundings ?? {};
  return {
    version: 1,
    descriptors,
    phases: [
      { name: "beforeClone", operations: [{ op: "clone", namespaces, intoCgroup, from }] },
      { name: "inNamespaces", operations },
      {
        name: "atStart",
        operations: [
          { op: "findExecutable", name: hostPath, searchPath: "", from },
          {
            op: "exec",
            args: [hostPath, "swrk", String(socketFd)],
            // Nothing of the caller's: CRIU reads options from a file in HOME and from variables of its own.
            env: [`PATH=${programSearchPath()}`],
            preserveFds: 1 + inheritedFds.length,
            from,
          },
        ],
      },
    ],
  };
}

function explainFailure(plan: Plan, report: Report, hostPath: string): RunletError {
  const failure = failureInPlan(plan, report);
  return new RunletError("ERR_RUNLET_CHECKPOINT", `CRIU (${quote(hostPath)}) cannot be started: ${failure.message}`, {
    syscall: failure.syscall,
    errno: failure.errno,
    hint: failure.hint,
    cause: failure,
  });
}
