import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

/** A directory without room for a byte, in a mount namespace; runs a command there, and lists what it left. */
const onFullDisk = `
disk=$1; shift
mount -t tmpfs -o size=64k none "$disk"
dd if=/dev/zero of="$disk/full" bs=4k 2>/dev/null
cd "$disk"
"$@"; status=$?
ls -A >&2
exit $status`;

function runOnFullDisk(args: readonly string[], global: readonly string[] = []) {
  const disk = join(e2e.directory, "disk");
  mkdirSync(disk, { recursive: true });
  const script = ["--mount", "--propagation", "private", "sh", "-c", onFullDisk, "sh", disk];
  const result = spawnSync("unshare", [...script, ...e2e.runtime.argv(args, global)], { encoding: "utf8" });
  const [message = "", ...left] = result.stderr.trimEnd().split("\n");
  return { status: result.status, message, left };
}

const disk = () => join(e2e.directory, "disk");

test("spec on a full disk leaves no half config", { runtime: ["runlet"] }, () => {
  const { status, message, left } = runOnFullDisk(["spec"]);
  expect([status, left]).toEqual([1, ["full"]]);
  expect(message).toContain("config.json");
  expect(message).toContain("no space left on device: write(2): ENOSPC");
});

test("a bundle on a full disk", { runtime: ["runlet"] }, () => {
  const source = join(e2e.bundle().probing("pid").rootfs, "probe");
  const { status, message, left } = runOnFullDisk(["bundle", "--from", source, "web"]);
  expect([status, left]).toEqual([1, ["full"]]);
  expect(message).toContain(`cannot make the bundle \\"${disk()}/web\\": no space left on device`);
});

test("a state root on a full disk", { runtime: ["runlet"] }, () => {
  const bundle = e2e.bundle().probing("pid");
  const id = e2e.id();
  const { status, message, left } = runOnFullDisk(["run", "--bundle", bundle.hostPath, id], ["--root", disk()]);
  expect([status, left]).toEqual([1, ["full"]]);
  expect(message).toContain(`the state of container ${id} cannot be written to`);
  expect(message).toContain("no space left on device");
});

test("a pid file on a full disk ends the container", { runtime: ["runlet"] }, async () => {
  const bundle = e2e.bundle().probing("wait");
  const id = e2e.id();
  const { status, message, left } = runOnFullDisk(["create", "--bundle", bundle.hostPath, "--pid-file", "pid", id]);
  expect([status, left]).toEqual([1, ["full"]]);
  expect(message).toMatch(/the pid file .*no space left on device: write\(2\): ENOSPC/);
  expect((await e2e.runtime.invoke(["state", id])).stderr).toContain("container does not exist");
});

describe("an output that takes nothing", () => {
  const run = (redirection: string, args: readonly string[], global: readonly string[] = []) =>
    spawnSync("sh", ["-c", `exec "$@" ${redirection}`, "sh", ...e2e.runtime.argv(args, global)], { encoding: "utf8" });

  test("fails a command whose answer is lost", { runtime: ["runlet"] }, () => {
    for (const args of [["features"], ["spec", "--file=-"], ["--help"]]) {
      const { status, stderr } = run(">/dev/full", args);
      expect([args, status]).toEqual([args, 1]);
      expect(stderr).toContain("standard output cannot be written: no space left on device: write(2): ENOSPC");
    }
  });

  test("changes no exit status where it is only for messages", { runtime: ["runlet"] }, () => {
    expect(run("2>/dev/full", ["state", e2e.id()])).toMatchObject({ status: 1, stdout: "" });
    const { status, stderr } = run("", ["state", e2e.id()], ["--log", "/dev/full"]);
    expect(status).toBe(1);
    expect(stderr).toContain("container does not exist");
  });

  test("is dropped in silence when its reader has gone", { runtime: ["runlet"] }, () => {
    const [program = "", ...args] = e2e.runtime.argv(["features"]);
    const script = 'exec 3>&1; { sleep 0.1; "$@" 2>&3; echo "status $?" >&3; } | true';
    const { stdout } = spawnSync("sh", ["-c", script, "sh", program, ...args], { encoding: "utf8" });
    expect(stdout).toBe("status 0\n");
  });
});
