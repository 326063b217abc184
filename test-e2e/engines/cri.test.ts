import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { cgroupLayout } from "../harness/requirements.ts";
import { type ContainerdScene, openContainerdScene } from "./harness/containerd.ts";
import { Cri } from "./harness/cri.ts";
import {
  ContainerState,
  MountPropagation,
  NamespaceMode,
  PodSandboxState,
  ProfileType,
} from "./harness/cri-messages.ts";
import { openFlows } from "./harness/flow.ts";
import { machineReasons } from "./harness/machine-reasons.ts";

let place: ContainerdScene;
const flow = openFlows({
  openScene: async () => {
    place = await openContainerdScene();
    return place.scene;
  },
  openEngine: async (_scene, runtime) => new Cri(place, runtime),
  machineReasons,
});

/** A shell that ends at once when it is asked to. */
const obedient = ["sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done"];

/** One that does not listen. */
const deaf = ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"];

/** Prints a line of /proc/self/status. */
const statusOf = (field: string) => ["sed", "-n", `s/^${field}:\\t//p`, "/proc/self/status"];

describe("pods", () => {
  flow("a pod has an address, a name, and the kernel settings that it asks for", async (cri) => {
    const sysctls = { "net.ipv4.ip_default_ttl": "77" };
    await cri.withPod({ sysctls }, async (pod) => {
      const status = await pod.status();
      expect(status).toMatchObject({ state: PodSandboxState.SANDBOX_READY, runtime_handler: cri.runtime.name });
      const script =
        "ip -o -4 address show dev eth0; hostname; cat /proc/sys/net/ipv4/ip_default_ttl; cat /etc/resolv.conf";
      const { stdout } = await pod.run(["sh", "-c", script]);
      expect(stdout).toContain(`inet ${status.network?.ip}/24`);
      expect(stdout).toContain(`${cri.runtime.name}-`);
      expect(stdout).toContain("\n77\nnameserver 192.0.2.1\n");
    });
  });

  flow("a pod that is stopped is not ready, and its containers have ended", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const container = await pod.start(deaf);
      await cri.call("StopPodSandbox", { pod_sandbox_id: pod.id });
      expect((await pod.status()).state).toBe(PodSandboxState.SANDBOX_NOTREADY);
      expect(await container.status()).toMatchObject({ state: ContainerState.CONTAINER_EXITED, exit_code: 137 });
      await cri.call("StopPodSandbox", { pod_sandbox_id: pod.id });
    });
  });

  flow("containers of a pod meet at its loopback, pods at their addresses", async (cri) => {
    const serve = ["sh", "-c", "mkdir /www; echo served > /www/page; exec httpd -f -p 8080 -h /www"];
    const fetch = (address: string) => [
      "sh",
      "-c",
      `until wget -q -O - http://${address}:8080/page; do sleep 0.1; done`,
    ];
    await cri.withPod({}, async (pod) => {
      await pod.start(serve);
      const address = (await pod.status()).network?.ip ?? "";
      expect((await pod.run(fetch("127.0.0.1"))).stdout).toBe("served\n");
      await cri.withPod({}, async (other) => {
        expect((await other.run(fetch(address))).stdout).toBe("served\n");
      });
    });
  });

  flow("a pod may use the machine's network", async (cri) => {
    const namespaces = { network: NamespaceMode.NODE };
    const machine = await cri.scene.succeed(["readlink", "/proc/self/ns/net"]);
    await cri.withPod(
      { security_context: { namespace_options: namespaces } },
      async (pod) => {
        const { stdout } = await pod.run(["readlink", "/proc/self/ns/net"], { namespace_options: namespaces });
        expect(stdout).toBe(machine.stdout);
      },
      { hostname: "" },
    );
  });
});

describe("a container", () => {
  flow("is created, runs, ends as its process ends, and what it printed is in its log", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const container = await pod.create(["sh", "-c", "echo seen; echo heard >&2; sleep 0.5; exit 42"]);
      expect((await container.status()).state).toBe(ContainerState.CONTAINER_CREATED);
      await cri.call("StartContainer", { container_id: container.id });
      const status = await container.waitForState(ContainerState.CONTAINER_EXITED);
      expect(status).toMatchObject({ exit_code: 42, reason: "Error" });
      expect(status.finished_at).toBeGreaterThan(status.started_at);
      expect([container.log("stdout"), container.log("stderr")]).toEqual(["seen\n", "heard\n"]);
      await cri.call("RemoveContainer", { container_id: container.id });
      const { containers } = await cri.call("ListContainers", { filter: { pod_sandbox_id: pod.id } });
      expect(containers).toEqual([]);
    });
  });

  flow("whose executable is missing says so", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const container = await pod.create(["/nosuch"]);
      await expect(cri.call("StartContainer", { container_id: container.id })).rejects.toThrow(
        /exec: "\/nosuch": (stat \/nosuch: )?no such file or directory/,
      );
      const status = await container.status();
      expect(status).toMatchObject({ state: ContainerState.CONTAINER_EXITED, reason: "StartError", exit_code: 128 });
    });
  });

  flow("is asked to end, and killed when it does not listen", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const [willing, unwilling] = [await pod.start(obedient), await pod.start(deaf)];
      await willing.waitForLog("stdout", "ready\n");
      await unwilling.waitForLog("stdout", "deaf\n");
      await willing.stop(30);
      expect((await willing.status()).exit_code).toBe(5);
      await unwilling.stop(1);
      expect((await unwilling.status()).exit_code).toBe(137);
      await willing.stop(1);
    });
  });

  flow("is removed while it runs", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const container = await pod.start(deaf);
      await cri.call("RemoveContainer", { container_id: container.id });
      await expect(container.status()).rejects.toThrow("not found");
    });
  });

  flow("has the directory, the environment and the files that it asks for", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const path = join(cri.scene.directory, cri.name());
      mkdirSync(path);
      writeFileSync(join(path, "file"), "shown\n");
      const container = await pod.start(
        ["sh", "-c", "pwd; echo $GREETING; cat /mnt/file; touch /mnt/other; stat -c %t:%T /dev/other"],
        {
          working_dir: "/made/for/it",
          envs: [{ key: "GREETING", value: "hello" }],
          mounts: [{ container_path: "/mnt", host_path: path, readonly: true }],
          devices: [{ container_path: "/dev/other", host_path: "/dev/kmsg", permissions: "rw" }],
        },
      );
      await container.waitForState(ContainerState.CONTAINER_EXITED);
      expect(container.log("stdout")).toBe("/made/for/it\nhello\nshown\n1:b\n");
      expect(container.log("stderr")).toContain("Read-only file system");
    });
  });

  flow("outlives containerd, and is governed by the one that is started next", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const container = await pod.start(obedient);
      await container.waitForLog("stdout", "ready\n");
      const pid = await container.pid();
      await cri.restartDaemon();
      expect((await pod.status()).state).toBe(PodSandboxState.SANDBOX_READY);
      expect(await container.pid()).toBe(pid);
      expect(await container.exec(["echo", "alive"])).toEqual({ stdout: "alive\n", stderr: "", exitCode: 0 });
      await container.stop(30);
      expect((await container.status()).exit_code).toBe(5);
    });
  });
});

describe("processes in a container", () => {
  flow("run to their end, and are ended after their time", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const container = await pod.start(obedient);
      const result = await container.exec(["sh", "-c", "echo out; echo err >&2; exit 7"]);
      expect(result).toEqual({ stdout: "out\n", stderr: "err\n", exitCode: 7 });
      await expect(container.exec(["sleep", "4321"], 1)).rejects.toThrow("timeout 1s exceeded");
      expect((await container.exec(["ps", "-o", "args"])).stdout).not.toContain("sleep 4321");
      await expect(container.exec(["/nosuch"])).rejects.toThrow(
        /exec: "\/nosuch": (stat \/nosuch: )?no such file or directory/,
      );
      expect((await container.status()).state).toBe(ContainerState.CONTAINER_RUNNING);
    });
  });

  flow("stay connected, on a terminal too", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const container = await pod.start(obedient);
      const plain = await container.openExec(["sh", "-c", "read -r line; echo got $line; echo err >&2; exit 6"], {
        tty: false,
      });
      plain.type("words\n");
      expect(await plain.exitCode).toBe(6);
      expect([plain.stdout, plain.stderr]).toEqual(["got words\n", "err\n"]);

      const terminal = await container.openExec(["sh"], { tty: true });
      terminal.resize(33, 111);
      await terminal.see("/ # ");
      terminal.type("tty\r");
      await terminal.see("/dev/pts/0");
      await terminal.ask("stty size", "33 111");
      terminal.type("exit 4\r");
      expect(await terminal.exitCode).toBe(4);
    });
  });

  flow("its first one is attached to", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const echo = ["sh", "-c", "while read -r line; do echo got $line; done"];
      const container = await pod.start(echo, { stdin: true });
      const stream = await container.attach({ tty: false });
      stream.type("words\n");
      await stream.see("got words");
      stream.close();
      const again = await container.attach({ tty: false });
      again.type("more\n");
      await again.see("got more");
      again.close();
      await container.waitForLog("stdout", "got words\ngot more\n");

      const onTerminal = await pod.start(["sh"], { stdin: true, tty: true });
      const terminal = await onTerminal.attach({ tty: true });
      terminal.resize(44, 122);
      await terminal.ask("stty size", "44 122");
      terminal.close();
    });
  });
});

describe("limits", () => {
  const limits = {
    v1: ["memory/memory.limit_in_bytes", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"],
    v2: ["memory.max", "cpu.max"],
  };

  flow("are set and updated, and what is used is measured", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const resources = {
        memory_limit_in_bytes: 67_108_864,
        cpu_quota: 50_000,
        cpu_period: 100_000,
        cpuset_cpus: "0",
        cpu_shares: 512,
      };
      const container = await pod.start(obedient, { linux: { resources } });
      expect(await container.readControlGroup(limits)).toEqual(["67108864", "50000", "100000"]);
      expect((await container.exec(statusOf("Cpus_allowed_list"))).stdout).toBe("0\n");
      await cri.call("UpdateContainerResources", {
        container_id: container.id,
        linux: { memory_limit_in_bytes: 33_554_432, cpu_quota: 25_000, cpu_period: 100_000, cpuset_cpus: "1" },
      });
      expect(await container.readControlGroup(limits)).toEqual(["33554432", "25000", "100000"]);
      expect((await container.exec(statusOf("Cpus_allowed_list"))).stdout).toBe("1\n");
      // The devices of the first configuration, which an update carries too, are as they were.
      expect(await container.exec(["sh", "-c", "echo > /dev/null && head -c 1 /dev/zero | wc -c"])).toMatchObject({
        stdout: "1\n",
      });
      const { stats } = await cri.call("ContainerStats", { container_id: container.id });
      const { cpu, memory } = stats as {
        cpu: { usage_core_nano_seconds: { value: number } };
        memory: { working_set_bytes: { value: number } };
      };
      expect(cpu.usage_core_nano_seconds.value).toBeGreaterThan(1_000_000);
      expect(memory.working_set_bytes.value).toBeGreaterThan(4096);
      expect(memory.working_set_bytes.value).toBeLessThan(33_554_432);
    });
  });

  flow("a container that takes too much memory is killed, and the reason is known", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const container = await pod.start(["sh", "-c", "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done"], {
        linux: { resources: { memory_limit_in_bytes: 16_777_216 } },
      });
      // The word that memory was short comes beside that of the end.
      const status = await container.waitForStatus({ state: ContainerState.CONTAINER_EXITED, reason: "OOMKilled" });
      expect(status.exit_code).toBe(137);
    });
  });

  // Only version 2 has files of which a pod may name any.
  if (cgroupLayout === "v2") {
    flow("of any file of a control group are passed on", async (cri) => {
      await cri.withPod({}, async (pod) => {
        const container = await pod.start(obedient, {
          linux: { resources: { unified: { "memory.high": "50331648" } } },
        });
        expect(await container.readControlGroup({ v1: [], v2: ["memory.high"] })).toEqual(["50331648"]);
      });
    });
  }
});

describe("security", () => {
  flow("user, groups and no_new_privs are those asked for", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const ids = [
        "sh",
        "-c",
        "id -u; id -g; id -G | tr ' ' '\\n' | sort -n | tr '\\n' ' '; grep NoNewPrivs /proc/self/status",
      ];
      const numbers = {
        run_as_user: { value: 4321 },
        run_as_group: { value: 4322 },
        supplemental_groups: [77],
        no_new_privs: true,
      };
      expect((await pod.run(ids, numbers)).stdout).toBe("4321\n4322\n77 4322 NoNewPrivs:\t1\n");
      expect((await pod.run(ids, { run_as_username: "visitor" })).stdout).toBe("1234\n1235\n50 1235 NoNewPrivs:\t0\n");
    });
  });

  flow("capabilities are added and dropped", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const bits = async (capabilities: object) => (await pod.run(statusOf("CapEff"), { capabilities })).stdout;
      expect(await bits({ drop_capabilities: ["ALL"] })).toBe("0000000000000000\n");
      expect(await bits({ drop_capabilities: ["ALL"], add_capabilities: ["CHOWN"] })).toBe("0000000000000001\n");
    });
  });

  flow("a privileged container has every capability", async (cri) => {
    const own = /^CapEff:\t(\w+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    await cri.withPod({ security_context: { privileged: true } }, async (pod) => {
      const result = await pod.run(statusOf("CapEff"), { privileged: true });
      expect(result.stdout).toBe(`${own}\n`);
    });
  });

  flow("a read-only root, hidden and read-only paths are so", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const root = await pod.run(["touch", "/file"], { readonly_rootfs: true });
      expect(root.exitCode).toBe(1);
      expect(root.stderr).toContain("Read-only file system");
      const paths = await pod.run(["sh", "-c", "wc -c < /etc/passwd; touch /home/file"], {
        masked_paths: ["/etc/passwd"],
        readonly_paths: ["/home"],
      });
      expect(paths.stdout).toBe("0\n");
      expect(paths.stderr).toContain("Read-only file system");
    });
  });

  flow("the seccomp profile is the default, none, or one of the machine", async (cri) => {
    const path = join(cri.scene.directory, `${cri.name()}.json`);
    const profile = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }],
    };
    writeFileSync(path, JSON.stringify(profile));
    await cri.withPod({}, async (pod) => {
      const seccomp = async (profile_type: number) =>
        (await pod.run(statusOf("Seccomp"), { seccomp: { profile_type } })).stdout;
      expect(await seccomp(ProfileType.RuntimeDefault)).toBe("2\n");
      expect(await seccomp(ProfileType.Unconfined)).toBe("0\n");
      const denied = await pod.run(["mkdir", "/new"], {
        seccomp: { profile_type: ProfileType.Localhost, localhost_ref: path },
      });
      expect(denied.stderr).toContain("Operation not permitted");
    });
  });
});

describe("namespaces", () => {
  flow("process ids are the pod's, the container's own, another container's or the machine's", async (cri) => {
    const ps = ["ps", "-o", "pid,args"];
    const inMode = (mode: number, target = {}) => ({ namespace_options: { pid: mode, ...target } });
    const podOf = (mode: number) => ({ security_context: { namespace_options: { pid: mode } } });
    await cri.withPod(podOf(NamespaceMode.POD), async (pod) => {
      const { stdout } = await pod.run(ps, inMode(NamespaceMode.POD));
      expect(stdout).toContain("1 sleep 1000000");
    });
    await cri.withPod(podOf(NamespaceMode.CONTAINER), async (pod) => {
      expect((await pod.run(ps, inMode(NamespaceMode.CONTAINER))).stdout).toMatch(/^ +1 ps -o pid,args$/m);
      const first = await pod.start(obedient, {}, inMode(NamespaceMode.CONTAINER));
      const { stdout } = await pod.run(ps, inMode(NamespaceMode.TARGET, { target_id: first.id }));
      expect(stdout).toMatch(/^ +1 sh -c trap/m);
    });
    await cri.withPod(podOf(NamespaceMode.NODE), async (pod) => {
      expect((await pod.run(ps, inMode(NamespaceMode.NODE))).stdout).toContain("containerd");
    });
  });

  flow("the containers of a pod share IPC", async (cri) => {
    await cri.withPod({}, async (pod) => {
      const link = ["readlink", "/proc/self/ns/ipc"];
      const first = await pod.run(["sh", "-c", "echo left > /dev/shm/message; readlink /proc/self/ns/ipc"]);
      expect((await pod.run(link)).stdout).toBe(first.stdout);
      expect((await pod.run(["cat", "/dev/shm/message"])).stdout).toBe("left\n");
    });
  });
});

describe("mounts that come and go", () => {
  flow("reach a container, the machine, or neither, as asked", async (cri) => {
    const path = `/run/${cri.name()}`;
    await cri.scene.succeed([
      "sh",
      "-c",
      'mkdir "$1" && mount -t tmpfs shared "$1" && mount --make-rshared "$1"',
      "sh",
      path,
    ]);
    const capabilities = { add_capabilities: ["SYS_ADMIN"] };
    const seccomp = { profile_type: ProfileType.Unconfined };
    await cri.withPod({}, async (pod) => {
      const containerWith = async (propagation: number) =>
        await pod.start(obedient, {
          mounts: [{ container_path: "/mnt", host_path: path, propagation }],
          linux: { security_context: { capabilities, seccomp } },
        });
      const isolated = await containerWith(MountPropagation.PROPAGATION_PRIVATE);
      const following = await containerWith(MountPropagation.PROPAGATION_HOST_TO_CONTAINER);
      const joined = await containerWith(MountPropagation.PROPAGATION_BIDIRECTIONAL);

      await cri.scene.succeed([
        "sh",
        "-c",
        'mkdir "$1" && mount -t tmpfs late "$1" && echo late > "$1/file"',
        "sh",
        `${path}/late`,
      ]);
      const read = { late: ["cat", "/mnt/late/file"], inner: ["cat", "/mnt/inner/file"] };
      expect((await isolated.exec(read.late)).exitCode).toBe(1);
      expect((await following.exec(read.late)).stdout).toBe("late\n");
      expect((await joined.exec(read.late)).stdout).toBe("late\n");

      const mount = ["sh", "-c", "mkdir /mnt/inner && mount -t tmpfs inner /mnt/inner && echo inner > /mnt/inner/file"];
      expect(await joined.exec(mount)).toMatchObject({ exitCode: 0, stderr: "" });
      expect((await cri.scene.succeed(["cat", `${path}/inner/file`])).stdout).toBe("inner\n");
      expect((await following.exec(read.inner)).stdout).toBe("inner\n");
      expect((await isolated.exec(read.inner)).exitCode).toBe(1);
      await cri.scene.succeed(["umount", `${path}/inner`]);
      expect((await joined.exec(read.inner)).exitCode).toBe(1);
    });
    await cri.scene.succeed(["umount", "--recursive", path]);
  });
});
