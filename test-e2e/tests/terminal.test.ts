import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { sleep } from "../harness/patience.ts";
import { Person } from "../harness/person.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

function terminalBundle(...verbs: string[]) {
  return e2e
    .bundle((config) => {
      config.process.terminal = true;
    })
    .probing(...verbs);
}

/** What the probe printed on a terminal, which turns "\n" into "\r\n" and echoes what is typed before it. */
function seenOnScreen(screen: string, verb: string): unknown {
  const start = screen.indexOf(`[${JSON.stringify(verb)},`);
  if (start === -1) throw new Error(`no line of ${verb} in ${JSON.stringify(screen)}`);
  return (JSON.parse(screen.slice(start).split(/\r?\n/)[0] ?? "") as [string, unknown])[1];
}

describe("[/process/terminal] run on a terminal", () => {
  // crun 1.8 gives no size to the terminal of `run`.
  const sizing = { runtime: ["runlet", "runc"] } as const;

  test("gives the process a pseudo-terminal of the container's own as controlling terminal", sizing, async () => {
    const bundle = terminalBundle("terminal", "stat=/dev/console", "fds", "hostname");
    const person = new Person(["run", "31", "97", ...e2e.runtime.argv(["run", "--bundle", bundle.hostPath, e2e.id()])]);
    expect(await person.status).toBe(0);
    expect(seenOnScreen(person.screen, "terminal")).toMatchObject({
      isTerminal: [true, true, true],
      // runc sets the size after the process has begun.
      ...(e2e.runtime.name === "runlet" ? { rows: 31, columns: 97 } : {}),
      leadsSession: true,
      foreground: true,
    });
    expect((seenOnScreen(person.screen, "terminal") as { name: string }).name).toMatch(/^\/dev\/(pts\/0|console)$/);
    expect(seenOnScreen(person.screen, "stat=/dev/console")).toMatchObject({ type: "c", major: 136 });
    expect(seenOnScreen(person.screen, "fds")).toEqual([0, 1, 2]);
  });

  test("passes the exit status on", async () => {
    const bundle = terminalBundle("exit=42");
    const person = new Person(["run", "24", "80", ...e2e.runtime.argv(["run", "--bundle", bundle.hostPath, e2e.id()])]);
    expect(await person.status).toBe(42);
  });

  test("Ctrl-C goes to the container as SIGINT, and does not end the runtime", async () => {
    const bundle = terminalBundle("trap=2", "exit=5");
    const person = new Person(["run", "24", "80", ...e2e.runtime.argv(["run", "--bundle", bundle.hostPath, e2e.id()])]);
    await person.see('"ready"');
    person.type("\x03");
    expect(await person.status).toBe(5);
    expect(seenOnScreen(person.screen, "trapped")).toBe(2);
  });

  test("a resize reaches the container as SIGWINCH and new size", sizing, async () => {
    // The size that the runtime sets at the start may be a change and a signal of its own: it is waited for.
    const bundle = terminalBundle("terminalSize=24,80", "trap=28", "terminal");
    const person = new Person(["run", "24", "80", ...e2e.runtime.argv(["run", "--bundle", bundle.hostPath, e2e.id()])]);
    await person.see('"ready"');
    person.resize(50, 132);
    expect(await person.status).toBe(0);
    expect(seenOnScreen(person.screen, "trapped")).toBe(28);
    expect(seenOnScreen(person.screen, "terminal")).toMatchObject({ rows: 50, columns: 132 });
  });

  test("what is typed arrives, line by line", async () => {
    const bundle = terminalBundle("pid", "input");
    const person = new Person(["run", "24", "80", ...e2e.runtime.argv(["run", "--bundle", bundle.hostPath, e2e.id()])]);
    await person.see('["pid",1]');
    person.type("hello\r");
    person.type("\x04");
    expect(await person.status).toBe(0);
    expect(seenOnScreen(person.screen, "input")).toBe("hello\n");
  });

  test("CVE-2017-5226: characters pushed with TIOCSTI do not reach the caller's terminal", {
    runtime: ["runlet", "runc"],
  }, async () => {
    const bundle = terminalBundle("injectInput=x");
    const shell = `${e2e.runtime.argv(["run", "--bundle", bundle.hostPath, e2e.id()]).join(" ")}; read -t 1 -n 1 typed && echo "the caller got $typed" || echo the caller got nothing`;
    const person = new Person(["run", "24", "80", "bash", "-c", shell]);
    await person.status;
    expect(person.screen).toContain("the caller got nothing");
  });

  test("[/process/consoleSize/**] is the size of the container's terminal", async () => {
    const socket = join(e2e.directory, "size.sock");
    const bundle = e2e
      .bundle((config) => {
        config.process.terminal = true;
        config.process.consoleSize = { height: 44, width: 123 };
      })
      .probing("terminal");
    const id = e2e.id();
    const person = new Person(["receive", socket]);
    while (!existsSync(socket)) await sleep(10);
    await e2e.runtime.succeed(["create", "--bundle", bundle.hostPath, "--console-socket", socket, id]);
    await e2e.runtime.succeed(["start", id]);
    await person.status;
    expect(seenOnScreen(person.screen, "terminal")).toMatchObject({ rows: 44, columns: 123 });
  });
});

describe("--console-socket", () => {
  test("receives the terminal's main end from create", async () => {
    const socket = join(e2e.directory, "create.sock");
    const bundle = terminalBundle("terminal", "input", "exit=0");
    const id = e2e.id();
    const person = new Person(["receive", socket]);
    while (!existsSync(socket)) await sleep(10);
    await e2e.runtime.succeed(["create", "--bundle", bundle.hostPath, "--console-socket", socket, id]);
    await e2e.runtime.succeed(["start", id]);
    await person.see('"terminal"');
    person.type("typed\r\x04");
    await person.status;
    expect(seenOnScreen(person.screen, "terminal")).toMatchObject({
      isTerminal: [true, true, true],
      leadsSession: true,
    });
    expect(seenOnScreen(person.screen, "input")).toBe("typed\n");
    await e2e.runtime.waitForStatus(id, "stopped");
  });

  test("receives it from run --detach", async () => {
    const socket = join(e2e.directory, "detach.sock");
    const bundle = terminalBundle("terminal", "exit=0");
    const id = e2e.id();
    const person = new Person(["receive", socket]);
    while (!existsSync(socket)) await sleep(10);
    await e2e.runtime.succeed(["run", "--detach", "--bundle", bundle.hostPath, "--console-socket", socket, id]);
    await person.status;
    expect(seenOnScreen(person.screen, "terminal")).toMatchObject({ isTerminal: [true, true, true] });
    await e2e.runtime.waitForStatus(id, "stopped");
  });

  test("is demanded by create for a terminal", { runtime: ["runlet", "runc"] }, async () => {
    const result = await e2e.runtime.invoke(["create", "--bundle", terminalBundle("pid").hostPath, e2e.id()]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain(
      `cannot allocate tty if ${e2e.runtime.name} will detach without setting console socket`,
    );
  });

  test("is refused where there is no terminal", { runtime: ["runlet", "runc"] }, async () => {
    const bundle = e2e.bundle().probing("pid");
    const result = await e2e.runtime.invoke([
      "create",
      "--bundle",
      bundle.hostPath,
      "--console-socket",
      join(e2e.directory, "unused.sock"),
      e2e.id(),
    ]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain(`cannot use console socket if ${e2e.runtime.name} will not detach or allocate tty`);
  });

  test("that nobody listens on is an error of create, and leaves nothing", async () => {
    const id = e2e.id();
    const result = await e2e.runtime.invoke([
      "create",
      "--bundle",
      terminalBundle("pid").hostPath,
      "--console-socket",
      join(e2e.directory, "nobody.sock"),
      id,
    ]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("nobody.sock");
    expect((await e2e.runtime.invoke(["state", id])).status).toBe(1);
  });
});
