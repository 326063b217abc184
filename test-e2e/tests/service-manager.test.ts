import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { Observation } from "../harness/observation.ts";
import { openSuite } from "../harness/suite.ts";

const e2e = openSuite();
const { test } = e2e;

/** Runs the bundle as a service manager does: with two descriptors from 3 on, and variables that speak of them. */
function runActivated(bundleHostPath: string, { receiver = "$$", options = "" } = {}): Observation {
  const [first, second] = [join(e2e.directory, "first"), join(e2e.directory, "second")];
  writeFileSync(first, "the first");
  writeFileSync(second, "the second");
  const command = e2e.runtime.argv([
    "run",
    ...options.split(" ").filter(Boolean),
    "--bundle",
    bundleHostPath,
    e2e.id(),
  ]);
  const script = `exec 3< ${first} 4< ${second}; export LISTEN_FDS=1 LISTEN_FDNAMES=door LISTEN_PID=${receiver}; exec "$@"`;
  const { status, stdout, stderr } = spawnSync("sh", ["-c", script, "sh", ...command], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return new Observation(stdout);
}

/** The environment without capabilities to warn of. */
function bundle(...verbs: string[]): string {
  return e2e
    .bundle((config) => {
      config.process.capabilities = {};
    })
    .probing(...verbs).hostPath;
}

describe("LISTEN_FDS", () => {
  // crun 1.8 does not hand them on from `run`.
  const activating = { runtime: ["runlet", "runc"] } as const;

  test("sockets of a service manager are the container's, under the same numbers", activating, () => {
    const seen = runActivated(bundle("env", "fds", "read=/proc/self/fd/3"));
    expect(seen.of<string[]>("env")).toEqual(expect.arrayContaining(["LISTEN_FDS=1", "LISTEN_PID=1"]));
    expect(seen.of("read=/proc/self/fd/3")).toBe("the first");
    expect(JSON.stringify(seen.of("fds"))).not.toContain("second");
  });

  test("come before those that are to be preserved", activating, () => {
    const seen = runActivated(bundle("env", "read=/proc/self/fd/3", "read=/proc/self/fd/4"), {
      options: "--preserve-fds=1",
    });
    expect(seen.of<string[]>("env")).toContain("LISTEN_FDS=1");
    expect(seen.of("read=/proc/self/fd/3")).toBe("the first");
    expect(seen.of("read=/proc/self/fd/4")).toBe("the second");
  });

  test("names go with them", { runtime: ["runlet"] }, () => {
    expect(runActivated(bundle("env")).of<string[]>("env")).toContain("LISTEN_FDNAMES=door");
  });

  test("meant for another process stay where they are", activating, () => {
    const seen = runActivated(bundle("env", "fds"), { receiver: "1" });
    expect(JSON.stringify(seen.of("env"))).not.toContain("LISTEN_");
    expect(JSON.stringify(seen.of("fds"))).not.toContain("first");
  });
});

describe("NOTIFY_SOCKET", () => {
  test("nobody listens on is an error, and leaves nothing", { runtime: ["runlet"] }, async () => {
    const id = e2e.id();
    const { status, stderr } = await e2e.runtime.invoke(["run", "--bundle", bundle("env"), id], {
      env: { NOTIFY_SOCKET: join(e2e.directory, "nobody.sock") },
    });
    expect(status).toBe(1);
    expect(stderr).toContain("cannot connect to NOTIFY_SOCKET");
    expect((await e2e.runtime.invoke(["state", id])).stderr).toContain("container does not exist");
  });
});
