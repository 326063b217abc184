import { readFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite({ root: true, cgroup: ["v1", "hybrid", "v2"], runtime: ["runlet", "runc"] });
const { test } = e2e;

/** Starts a container of three processes. */
async function start(...verbs: string[]) {
  const id = e2e.id();
  const call = e2e.runtime.start(["create", "--bundle", e2e.bundle().probing(...verbs).hostPath, id]);
  expect(await call.ended).toMatchObject({ status: 0 });
  await e2e.runtime.succeed(["start", id]);
  await call.waitForOutput(verbs.at(-1) ?? "");
  return { id, ...(await e2e.runtime.state(id)) };
}

/** Processes that a process has started, as the host numbers them. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
}

describe("ps", () => {
  test("lists all processes as the host numbers them", async () => {
    const { id, pid } = await start("fork=2", "wait");
    const { stdout } = await e2e.runtime.succeed(["ps", "--format", "json", id]);
    const pids = JSON.parse(stdout) as number[];
    expect(pids.sort((a, b) => a - b)).toEqual([pid, ...childrenOf(pid)].sort((a, b) => a - b));
  });

  test("prints the host's table, of these processes alone", async () => {
    const { id, pid } = await start("fork=2", "wait");
    const { stdout } = await e2e.runtime.succeed(["ps", id]);
    const [header = "", ...lines] = stdout.trimEnd().split("\n");
    expect(header).toMatch(/^UID +PID +PPID .*CMD$/);
    expect(lines.map((line) => Number(line.trim().split(/\s+/)[1])).sort((a, b) => a - b)).toEqual(
      [pid, ...childrenOf(pid)].sort((a, b) => a - b),
    );
    for (const line of lines) expect(line).toMatch(/\/probe fork=2 wait$/);
  });

  test("hands options on to ps", async () => {
    const { id, pid } = await start("wait");
    const { stdout } = await e2e.runtime.succeed(["ps", id, "-e", "-o", "pid,args"]);
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => line.trim().replace(/\s+/g, " ")),
    ).toEqual(["PID COMMAND", `${pid} /probe wait`]);
  });

  test("needs no PATH", { runtime: ["runlet"] }, async () => {
    const { id } = await start("wait");
    const { stdout } = await e2e.runtime.succeed(["ps", id], { env: { PATH: "" } });
    expect(stdout.trimEnd().split("\n")).toHaveLength(2);
  });

  test("says what it needs of ps's table, and what ps says", async () => {
    const { id } = await start("wait");
    const columns = await e2e.runtime.invoke(["ps", id, "-e", "-o", "args"]);
    expect(columns.status).toBe(1);
    expect(columns.stderr).toContain("couldn't find PID field in ps output");
    const option = await e2e.runtime.invoke(["ps", id, "--no-such-option"]);
    expect(option.status).toBe(1);
    expect(option.stderr).toMatch(/exit status 1.*no-such-option|exit status 1.*error/s);
  });

  test("prints the header alone when the container has stopped", async () => {
    const id = e2e.id();
    await e2e.runtime.succeed(["create", "--bundle", e2e.bundle().probing("exit=0").hostPath, id]);
    await e2e.runtime.succeed(["start", id]);
    await e2e.runtime.waitForStatus(id, "stopped");
    const { stdout } = await e2e.runtime.succeed(["ps", id]);
    expect(stdout).toMatch(/^UID +PID +PPID [^\n]*CMD\n$/);
    const json = await e2e.runtime.succeed(["ps", "-f", "json", id]);
    expect(json.stdout).toBe("null\n");
  });

  test("knows no container of another name", async () => {
    const absent = await e2e.runtime.invoke(["ps", `${e2e.id()}-absent`]);
    expect(absent.status).toBe(1);
    expect(absent.stderr).toContain("container does not exist");
  });
});
