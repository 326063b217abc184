import { readFileSync, readlinkSync } from "node:fs";
import { release, userInfo } from "node:os";
import { isatty } from "node:tty";

export async function host({ show, tryTo }) {
  show("os", release(), userInfo().username);
  show(
    "tty",
    [0, 1, 2, 99].map((fd) => isatty(fd)),
  );
  const before = process.uptime();
  show("uptime", before > 0, process.uptime() >= before, process.uptime() - before < 5);
  show("ids", process.geteuid(), process.getegid(), process.pid === Number(readlinkSync("/proc/self")));
  show("cwd", process.cwd(), process.arch, process.execPath === readlinkSync("/proc/self/exe"));
  show(
    "environment",
    process.env.SHOWN,
    process.env.EMPTY,
    process.env.ABSENT,
    Object.keys(process.env).sort(),
    { ...process.env }.SHOWN,
  );
  show("argv", process.argv.slice(2), process.argv.length);
  show(
    "modules",
    process.getBuiltinModule("node:fs").readFileSync === readFileSync,
    process.getBuiltinModule("node:nothing"),
  );
  tryTo("kill nobody", () => process.kill(0x3fff_ffff, 0));
  tryTo("kill badly", () => process.kill(process.pid, 999));
  tryTo("kill with 0", () => process.kill(process.pid, 0));
  await signals(show, tryTo);
  process.on("exit", (status) => show("exit", status));
  const removed = () => show("removed", true);
  process.on("exit", removed);
  process.off("exit", removed);
  process.on("exit", () => process.exit(4));
  process.exit(3);
}

async function signals(show, tryTo) {
  const seen = [];
  const first = (name, number) => seen.push(["first", name, number]);
  const second = (name) => seen.push(["second", name]);
  process.on("SIGUSR2", first);
  process.on("SIGUSR2", second);
  process.on("SIGTERM", first);
  const pass = () => new Promise((resolve) => setTimeout(resolve, 30));
  process.kill(process.pid, "SIGUSR2");
  await pass();
  process.kill(process.pid, 15);
  await pass();
  process.off("SIGUSR2", first);
  process.kill(process.pid, "SIGUSR2");
  await pass();
  process.off("SIGUSR2", second);
  process.off("SIGUSR2", second);
  process.off("SIGTERM", first);
  show("signals", seen);
  tryTo("unwatchable", () => process.on("SIGKILL", first) === process);
  const status = readFileSync("/proc/self/status", "latin1");
  show("caught", BigInt(`0x${/SigCgt:\s*(\w+)/.exec(status)?.[1]}`) & ((1n << 11n) | (1n << 14n)));
}

/** Of the signals for writing to what nobody reads, and for files that are too large; Node has their defaults again. */
export async function ignored({ show }) {
  for (const name of ["SIGPIPE", "SIGXFSZ"]) {
    const listener = () => {};
    process.on(name, listener);
    process.off(name, listener);
  }
  const status = readFileSync("/proc/self/status", "latin1");
  const bits = BigInt(`0x${/SigIgn:\s*(\w+)/.exec(status)?.[1]}`);
  show("ignored", bits & (1n << 12n), bits & (1n << 24n));
}

/** What differs from process to process. */
export async function chance({ show }) {
  show("chance", Math.random());
}

/** What the engine does without. */
export async function missing({ show }) {
  await import("node:zlib").catch((error) => show("missing", error.name, error.message));
}
