import { type ExecOptions, type ExecProcess, signalNumber } from "@runlet/lifecycle";
import type { Invocation, OptionValues } from "../command.ts";
import { checkConsoleUse } from "../console-request.ts";
import { checkInheritedFds } from "../inherited-descriptors.ts";
import type { execOptions, execPositionals } from "../options/process.ts";
import { readProcess } from "../process-document.ts";
import { helperTimeout, openRuntime } from "../runtime.ts";
import { catchSignals, type SignalForwarding } from "../signal-forwarding.ts";
import { TerminalSession } from "../terminal-session.ts";
import { parseGroup, parseUser } from "../user-option.ts";

/** What a shell adds to the number of the signal that ended a process. */
const signalStatusBase = 128;

/** Runs a process in a container: to its end, with its exit status as the result, or detached. */
export async function run(invocation: Invocation<typeof execOptions, typeof execPositionals>): Promise<number> {
  const { options, positionals, log } = invocation;
  const request = {
    ...execRequest(options, positionals.args, (message) => log.warn(message)),
    helperTimeoutMs: helperTimeout(invocation.globals),
  };
  checkInheritedFds(request);
  const hasTerminal = request.process?.terminal ?? request.tty ?? false;
  const container = await (await openRuntime(invocation)).load(positionals.id);
  const { consoleSocket } = request;
  checkConsoleUse({ hasTerminal, consoleSocket, isDetached: options.detach, option: "--tty" });
  if (options.detach) {
    await container.exec(request);
    return 0;
  }
  using signals = catchSignals();
  try {
    const process = await container.exec({ ...request, signal: signals.abortSignal });
    return await runToEnd(process, signals, hasTerminal);
  } catch (error) {
    // Whoever asked for the end before the program ran gets what the program would have answered.
    if (signals.abortedBy !== undefined) return signalStatusBase + signalNumber(signals.abortedBy);
    throw error;
  }
}

async function runToEnd(process: ExecProcess, signals: SignalForwarding, hasTerminal: boolean): Promise<number> {
  await using running = process;
  using session = hasTerminal ? new TerminalSession(running.takeTerminal()) : undefined;
  signals.forwardTo((signal) => {
    try {
      running.kill(signal);
    } catch {
      // A process that has ended meanwhile has no use for the signal.
    }
  });
  const { exitCode, signal } = await running.wait();
  await session?.finish();
  return exitCode ?? signalStatusBase + (signal === null ? 0 : signalNumber(signal));
}

/** What `exec` asks of the container, from its options. The process gets our standard streams. */
export function execRequest(
  options: OptionValues<typeof execOptions>,
  args: readonly string[],
  warn: (message: string) => void,
): ExecOptions {
  const { "console-socket": consoleSocket, "pidfd-socket": pidfdSocket, "pid-file": pidFile } = options;
  const { cwd, apparmor, "process-label": selinuxLabel } = options;
  const additionalGids = options["additional-gids"].map(parseGroup);
  const isGiven = (text: string | undefined): text is string => text !== undefined && text !== "";
  return {
    stdio: "inherit",
    tty: options.tty,
    env: options.env,
    capabilities: options.cap,
    user: { ...(isGiven(options.user) ? parseUser(options.user) : {}), additionalGids },
    cgroup: options.cgroup,
    ignorePaused: options["ignore-paused"],
    preserveFds: options["preserve-fds"],
    ...(isGiven(options.process) ? { process: readProcess(options.process, warn) } : { args }),
    ...(isGiven(cwd) ? { cwd } : {}),
    ...(isGiven(apparmor) ? { apparmorProfile: apparmor } : {}),
    ...(isGiven(selinuxLabel) ? { selinuxLabel } : {}),
    ...(options["no-new-privs"] ? { noNewPrivileges: true } : {}),
    ...(isGiven(consoleSocket) ? { consoleSocket } : {}),
    ...(isGiven(pidfdSocket) ? { pidfdSocket } : {}),
    ...(isGiven(pidFile) ? { pidFile } : {}),
  };
}
