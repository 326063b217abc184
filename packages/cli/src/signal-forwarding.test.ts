import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { catchSignals } from "./signal-forwarding.ts";

/** Sends this process a signal and waits until its listeners have run. */
async function raise(signal: NodeJS.Signals): Promise<void> {
  const arrived = new Promise((resolve) => process.once(signal, resolve));
  process.kill(process.pid, signal);
  await arrived;
}

describe("catchSignals", () => {
  it("hands over what came before there was a container, and then each as it comes", async () => {
    using signals = catchSignals();
    const delivered: string[] = [];
    await raise("SIGUSR2");
    await raise("SIGALRM");
    signals.forwardTo((signal) => delivered.push(signal));
    expect(delivered).toEqual(["SIGUSR2", "SIGALRM"]);
    await raise("SIGTERM");
    await raise("SIGTSTP");
    expect(delivered).toEqual(["SIGUSR2", "SIGALRM", "SIGTERM", "SIGTSTP"]);
    expect(signals.abortSignal.aborted).toBe(false);
  });

  it("hands over signals of real time, which engines do not, as often as they come", async () => {
    const delivered: string[] = [];
    {
      using signals = catchSignals();
      signals.forwardTo((signal) => delivered.push(signal));
      for (const number of [16, 34, 40, 40, 64]) execFileSync("kill", [`-${number}`, String(process.pid)]);
      while (delivered.length < 5) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(delivered).toEqual(["SIGSTKFLT", "SIGRTMIN+0", "SIGRTMIN+6", "SIGRTMIN+6", "SIGRTMIN+30"]);
    const status = readFileSync("/proc/self/status", "utf8");
    const caught = BigInt(`0x${/^SigCgt:\t([0-9a-f]+)$/m.exec(status)?.[1]}`);
    for (const number of [34n, 40n, 64n]) expect(caught & (1n << (number - 1n))).toBe(0n);
  });

  it("aborts when the end is asked for before there is a container, and remembers by which signal", async () => {
    using signals = catchSignals();
    await raise("SIGINT");
    await raise("SIGTERM");
    expect(signals.abortSignal.aborted).toBe(true);
    expect(signals.abortedBy).toBe("SIGINT");
    const delivered: string[] = [];
    signals.forwardTo((signal) => delivered.push(signal));
    expect(delivered).toEqual([]);
  });

  it("leaves our own signals alone, and everything as it was in the end", () => {
    const before = process.eventNames().length;
    const signals = catchSignals();
    expect(process.eventNames()).toEqual(expect.arrayContaining(["SIGHUP", "SIGUSR1", "SIGCONT", "SIGPIPE", "SIGURG"]));
    for (const own of ["SIGCHLD", "SIGSEGV", "SIGKILL", "SIGWINCH", "SIGTTIN", "SIGTTOU"])
      expect(process.listenerCount(own)).toBe(0);
    signals[Symbol.dispose]();
    expect(process.eventNames()).toHaveLength(before);
  });
});
