import { describe, expect } from "vitest";
import { patienceMs } from "../harness/patience.ts";
import { cgroupLayout } from "../harness/requirements.ts";
import { openFlows } from "./harness/flow.ts";
import { image, machineReasons, openPodmanScene, Podman } from "./harness/podman.ts";

const flow = openFlows({
  openScene: openPodmanScene,
  openEngine: async (scene, runtime) => new Podman(scene, runtime),
  machineReasons,
});

const isV2 = cgroupLayout === "v2";

/** Reads a file of the container's control group, by its name on either layout. */
async function readLimit(podman: Podman, name: string, files: { controller: string; v1: string; v2: string }) {
  const pid = await podman.inspect(name, "{{.State.Pid}}");
  const groups = (await podman.scene.succeed(["cat", `/proc/${pid}/cgroup`])).stdout.split("\n");
  const line = groups.find((text) =>
    isV2 ? text.startsWith("0::") : text.split(":")[1]?.split(",").includes(files.controller),
  );
  const directory = isV2 ? "/sys/fs/cgroup" : `/sys/fs/cgroup/${files.controller}`;
  const path = `${directory}${line?.split(":").at(-1)}/${isV2 ? files.v2 : files.v1}`;
  return (await podman.scene.succeed(["cat", path])).stdout.trim();
}

const memoryMax = { controller: "memory", v1: "memory.limit_in_bytes", v2: "memory.max" } as const;
const pidsMax = { controller: "pids", v1: "pids.max", v2: "pids.max" } as const;
const cpuQuota = { controller: "cpu", v1: "cpu.cfs_quota_us", v2: "cpu.max" } as const;

describe("limits hold", () => {
  const narrow = ["--memory=24m", "--memory-swap=24m"];

  flow("--memory: who takes more is killed", async (podman) => {
    expect((await podman.invoke(["run", "--rm", ...narrow, image, "tail", "/dev/zero"])).status).toBe(137);
    expect((await podman.invoke(["run", "--rm", ...narrow, image, "echo", "well"])).stdout).toBe("well\n");
  });

  flow("--memory: conmon is told of the kill, and Podman says so", async (podman) => {
    const name = await podman.runDetached(narrow, "tail", "/dev/zero");
    expect(await podman.print(["wait", name])).toBe("137");
    expect(await podman.inspect(name, "{{.State.OOMKilled}}"), "conmon was told of the kill").toBe("true");
    await podman.remove(name);
  });

  flow("--pids-limit: no process more", async (podman) => {
    const script = 'for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo "all started"';
    const result = await podman.invoke(["run", "--rm", "--pids-limit=5", image, "sh", "-c", script]);
    expect(result.stdout).not.toContain("all started");
    expect(result.stderr).toMatch(/can't fork|Resource temporarily unavailable/);
  });

  flow("--pids-limit=-1 and --memory=0 are no limit", async (podman) => {
    const name = await podman.runDetached(["--pids-limit=-1", "--memory=0"], "sleep", "1000");
    expect(await readLimit(podman, name, pidsMax)).toBe("max");
    expect(await readLimit(podman, name, memoryMax)).toMatch(/^max$|^922337203685477\d+$/);
    await podman.remove(name);
  });

  flow("--cpus, --cpu-shares and --cpuset-cpus", async (podman) => {
    const name = await podman.runDetached(["--cpus=0.5", "--cpu-shares=512", "--cpuset-cpus=0"], "sleep", "1000");
    expect(await readLimit(podman, name, cpuQuota)).toMatch(isV2 ? /^50000 100000$/ : /^50000$/);
    expect(await readLimit(podman, name, { controller: "cpuset", v1: "cpuset.cpus", v2: "cpuset.cpus" })).toBe("0");
    // The weight that stands for so many shares has been computed anew since runc 1.1.
    expect(await readLimit(podman, name, { controller: "cpu", v1: "cpu.shares", v2: "cpu.weight" })).toMatch(
      isV2 ? /^(20|59)$/ : /^512$/,
    );
    expect(await podman.exec(name, "grep", "Cpus_allowed_list", "/proc/self/status")).toMatch(/\t0$/);
    await podman.remove(name);
  });
});

describe("what is asked of a running container", () => {
  flow("update changes limits while it runs", async (podman) => {
    const name = await podman.runDetached(["--memory=200m", "--pids-limit=100"], "sleep", "1000");
    expect(await readLimit(podman, name, memoryMax)).toBe(String(200 << 20));
    await podman.print(["container", "update", "--memory=100m", "--cpus=0.25", name]);
    expect(await readLimit(podman, name, memoryMax)).toBe(String(100 << 20));
    expect(await readLimit(podman, name, pidsMax)).toBe("100");
    expect(await readLimit(podman, name, cpuQuota)).toMatch(/^25000\b/);
    expect(await podman.exec(name, "echo", "well")).toBe("well");
    await podman.remove(name);
  });

  flow("top names its processes", async (podman) => {
    const name = await podman.runDetached([], "sh", "-c", "sleep 1234 & sleep 4321; :");
    const lines = async () => (await podman.print(["top", name, "pid", "hpid", "args"])).split("\n");
    expect((await lines())[0]).toMatch(/^PID +HPID +COMMAND$/);
    const processes = async () => (await lines()).slice(1).map((line) => line.trim().replace(/^(\d+) +\d+ +/, "$1 "));
    await expect
      .poll(processes, { timeout: patienceMs })
      .toEqual([
        "1 sh -c sleep 1234 & sleep 4321; :",
        expect.stringMatching(/^\d+ sleep 1234$/),
        expect.stringMatching(/^\d+ sleep 4321$/),
      ]);
    await podman.remove(name);
  });

  flow("stats counts what it uses", async (podman) => {
    const name = await podman.runDetached(["--memory=64m"], "sh", "-c", "sleep 1000 & echo begun; while :; do :; done");
    await podman.waitForLog(name, "begun");
    const stats = JSON.parse(await podman.print(["stats", "--no-stream", "--format=json", name])) as Record<
      string,
      string
    >[];
    expect(stats).toHaveLength(1);
    expect(stats[0]).toMatchObject({ name, pids: "2" });
    expect(stats[0]?.mem_usage).toMatch(/[1-9].*\/ 67\.11MB$/);
    await podman.remove(name);
  });

  flow("logs of --log-driver k8s-file keep lines and streams apart", async (podman) => {
    const name = await podman.runDetached(["--log-driver=k8s-file"], "sh", "-c", "echo one; echo two >&2; echo three");
    await podman.print(["wait", name]);
    const { stdout, stderr } = await podman.invoke(["logs", name]);
    expect({ stdout, stderr }).toEqual({ stdout: "one\nthree\n", stderr: "two\n" });
    expect((await podman.invoke(["logs", "--tail=2", name])).stdout).toBe("three\n");
    await podman.print(["rm", name]);
  });
});
