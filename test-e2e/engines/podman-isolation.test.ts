import { describe, expect } from "vitest";
import { Observation } from "../harness/observation.ts";
import { openFlows } from "./harness/flow.ts";
import { image, machineReasons, openPodmanScene, Podman } from "./harness/podman.ts";

const flow = openFlows({
  openScene: openPodmanScene,
  openEngine: async (scene, runtime) => new Podman(scene, runtime),
  machineReasons,
});

/** A system call and an argument of it that Podman's own filter does not allow: number on x86-64, and `<sys/personality.h>`. */
const personality = 135;
const ADDR_NO_RANDOMIZE = 0x0040000;

/** Runs the image's probe to its end. */
async function observe(podman: Podman, options: readonly string[], ...verbs: readonly string[]): Promise<Observation> {
  return new Observation(await podman.print(["run", "--rm", ...options, image, "/probe", ...verbs]));
}

describe("volumes", () => {
  flow("a directory of the host is seen, and written to unless it is ro", async (podman) => {
    const directory = `${podman.scene.directory}/${podman.name()}`;
    await podman.scene.writeFile(`${directory}/given`, "by the host");
    const script = "cat /data/given; echo by the container > /data/made; echo tried > /fixed/made";
    const volumes = [`--volume=${directory}:/data`, `--volume=${directory}:/fixed:ro,nosuid,nodev`];
    const result = await podman.invoke(["run", "--rm", ...volumes, image, "sh", "-c", script]);
    expect(result).toMatchObject({
      status: 1,
      stdout: "by the host",
      stderr: expect.stringContaining("Read-only file system"),
    });
    expect((await podman.scene.succeed(["cat", `${directory}/made`])).stdout).toBe("by the container\n");
    const seen = await observe(podman, volumes, "read=/proc/self/mountinfo");
    expect(seen.mountAt("/fixed").options).toEqual(expect.arrayContaining(["ro", "nosuid", "nodev"]));
    expect(seen.mountAt("/data").options).toContain("rw");
  });

  flow("a named volume keeps what the image has there, and what containers add", async (podman) => {
    const volume = podman.name();
    await podman.print(["run", "--rm", `--volume=${volume}:/etc`, image, "sh", "-c", "echo kept > /etc/added"]);
    const read = ["run", "--rm", `--volume=${volume}:/etc`, image, "cat", "/etc/added", "/etc/group"];
    expect(await podman.print(read)).toMatch(/^kept\nroot:x:0:/);
    await podman.print(["volume", "rm", volume]);
  });

  flow("--tmpfs and --mount=type=tmpfs have the size and mode that they are given", async (podman) => {
    const seen = await observe(
      podman,
      ["--tmpfs=/small:size=64k,mode=1770", "--mount=type=tmpfs,destination=/other,tmpfs-mode=0711"],
      ...["read=/proc/self/mountinfo", "stat=/small", "stat=/other"],
    );
    expect(seen.mountAt("/small").superOptions).toContain("size=64k");
    expect(seen.of("stat=/small")).toMatchObject({ mode: 0o1770 });
    expect(seen.of("stat=/other")).toMatchObject({ mode: 0o711 });
  });

  flow("propagation is as asked: a slave sees what the host mounts later", async (podman) => {
    const directory = `${podman.scene.directory}/${podman.name()}`;
    await podman.scene.succeed(["mkdir", directory]);
    await podman.scene.succeed(["mount", "-t", "tmpfs", "tmpfs", directory]);
    await podman.scene.succeed(["mount", "--make-shared", directory]);
    await podman.scene.succeed(["mkdir", `${directory}/later`]);
    const name = await podman.runDetached([`--volume=${directory}:/data:rslave`], "sleep", "1000");
    await podman.scene.succeed(["mount", "-t", "tmpfs", "later", `${directory}/later`]);
    expect(await podman.exec(name, "cat", "/proc/mounts")).toContain("later /data/later tmpfs");
    await podman.remove(name);
    await podman.scene.succeed(["umount", "--recursive", directory]);
  });

  flow("--read-only leaves only the temporary places to write to", async (podman) => {
    const script =
      "touch /made; touch /bin/made; touch /etc/made; touch /tmp/ok /run/ok /var/tmp/ok /dev/shm/ok && echo temporary";
    const result = await podman.invoke(["run", "--rm", "--read-only", image, "sh", "-c", script]);
    expect(result).toMatchObject({ status: 0, stdout: "temporary\n" });
    expect(result.stderr.match(/Read-only file system/g)).toHaveLength(3);
  });

  flow("--device shows a device of the host, with its permissions", async (podman) => {
    const script = "test -c /dev/other; true < /dev/other && echo read; true > /dev/other && echo written; true";
    const of = async (allowed: string) =>
      await podman.print([
        ...["run", "--rm", "--cap-add=SYSLOG", `--device=/dev/kmsg:/dev/other:${allowed}`, image, "sh", "-c", script],
      ]);
    expect(await of("r")).toBe("read");
    expect(await of("w")).toBe("written");
    expect(await of("rw")).toBe("read\nwritten");
  });
});

describe("--userns", () => {
  flow("with --uidmap: root of the container is nobody of the host's", async (podman) => {
    const options = ["--uidmap=0:100000:5000", "--gidmap=0:200000:5000"];
    const name = await podman.runDetached(options, "sleep", "1000");
    const printed = await podman.exec(
      name,
      "sh",
      "-c",
      "id -u; cat /proc/self/uid_map /proc/self/gid_map; touch /made && stat -c %u /made",
    );
    expect(printed.split("\n").map((line) => line.trim().split(/\s+/))).toEqual([
      ["0"],
      ["0", "100000", "5000"],
      ["0", "200000", "5000"],
      ["0"],
    ]);
    const pid = await podman.inspect(name, "{{.State.Pid}}");
    expect((await podman.scene.succeed(["stat", "--format=%u:%g", `/proc/${pid}`])).stdout).toBe("100000:200000\n");
    await podman.remove(name);
  });

  flow("auto takes a range of its own for each container", async (podman) => {
    await podman.scene.writeFile("/etc/subuid", "containers:2000000:1000000\n");
    await podman.scene.writeFile("/etc/subgid", "containers:2000000:1000000\n");
    const names = [
      await podman.runDetached(["--userns=auto"], "sleep", "1000"),
      await podman.runDetached(["--userns=auto:size=4096"], "sleep", "1000"),
    ];
    const [first = [], second = []] = await Promise.all(
      names.map(async (name) => (await podman.exec(name, "cat", "/proc/self/uid_map")).trim().split(/\s+/).map(Number)),
    );
    expect(first[0]).toBe(0);
    expect(first[1]).toBeGreaterThanOrEqual(2_000_000);
    expect(second[1]).not.toBe(first[1]);
    expect(second[2]).toBe(4096);
    for (const name of names) await podman.remove(name);
  });

  flow("container:NAME joins another's", async (podman) => {
    const name = await podman.runDetached(["--uidmap=0:300000:3000"], "sleep", "1000");
    const script = ["sh", "-c", "cat /proc/self/uid_map; readlink /proc/self/ns/user"];
    const joined = await podman.print(["run", "--rm", `--userns=container:${name}`, image, ...script]);
    expect(joined).toBe(await podman.exec(name, ...script));
    await podman.remove(name);
  });
});

describe("namespaces of others", () => {
  flow("--pid, --ipc, --network and --uts container:NAME are joined", async (podman) => {
    const name = await podman.runDetached(["--ipc=shareable", "--hostname=first"], "sleep", "1000");
    const links = ["sh", "-c", "for n in pid ipc net uts; do readlink /proc/self/ns/$n; done; hostname"];
    const joins = ["pid", "ipc", "network"].map((kind) => `--${kind}=container:${name}`);
    const joined = await podman.print(["run", "--rm", ...joins, "--uts=host", image, ...links]);
    const own = await podman.exec(name, ...links);
    expect(joined.split("\n").slice(0, 3)).toEqual(own.split("\n").slice(0, 3));
    expect(joined.split("\n")[3]).not.toBe(own.split("\n")[3]);
    await podman.remove(name);
  });

  flow("host: --network, --ipc, --pid, --uts", async (podman) => {
    const links = ["sh", "-c", "for n in pid ipc net uts; do readlink /proc/self/ns/$n; done"];
    const hosts = await podman.scene.succeed(links);
    const options = ["--network=host", "--ipc=host", "--pid=host", "--uts=host"];
    expect(await podman.print(["run", "--rm", ...options, image, ...links])).toBe(hosts.stdout.trimEnd());
  });
});

describe("--security-opt and capabilities", () => {
  flow("seccomp=FILE is the filter", async (podman) => {
    const path = `${podman.scene.directory}/${podman.name()}.json`;
    const rules = [
      { names: ["chmod", "fchmodat", "fchmodat2"], action: "SCMP_ACT_ERRNO", errnoRet: 95 },
      { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" },
    ];
    await podman.scene.writeFile(path, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: rules }));
    const script = "chmod 700 /etc; mkdir /made; grep Seccomp: /proc/self/status";
    const result = await podman.invoke(["run", "--rm", `--security-opt=seccomp=${path}`, image, "sh", "-c", script]);
    expect(result.stdout).toBe("Seccomp:\t2\n");
    expect(result.stderr).toContain("/etc: Operation not supported");
    expect(result.stderr).toContain("'/made': Operation not permitted");
  });

  flow("seccomp=unconfined is none, Podman's own is the default", async (podman) => {
    const status = ["grep", "^Seccomp:", "/proc/self/status"];
    expect(await podman.print(["run", "--rm", image, ...status])).toBe("Seccomp:\t2");
    expect(await podman.print(["run", "--rm", "--security-opt=seccomp=unconfined", image, ...status])).toBe(
      "Seccomp:\t0",
    );
    // Podman's filter compares the argument of personality(2).
    const verb = `syscall=${personality},${ADDR_NO_RANDOMIZE}`;
    expect((await observe(podman, [], verb)).of(verb)).toEqual({ errno: "ENOSYS" });
    expect((await observe(podman, ["--security-opt=seccomp=unconfined"], verb)).of(verb)).toBe(0);
  });

  flow("no-new-privileges; mask and unmask of paths; label=disable", async (podman) => {
    const status = ["sh", "-c", "grep NoNewPrivs /proc/self/status; wc -c < /etc/passwd"];
    const options = [
      "--security-opt=no-new-privileges",
      "--security-opt=label=disable",
      "--security-opt=mask=/etc/passwd",
    ];
    expect(await podman.print(["run", "--rm", ...options, image, ...status])).toBe("NoNewPrivs:\t1\n0");
    const listing = ["sh", "-c", "ls /proc/scsi /sys/firmware | wc -l"];
    const masked = Number(await podman.print(["run", "--rm", image, ...listing]));
    const shown = Number(await podman.print(["run", "--rm", "--security-opt=unmask=ALL", image, ...listing]));
    expect(shown).toBeGreaterThan(masked);
  });

  flow("--cap-drop and --cap-add choose the capabilities", async (podman) => {
    const sets = async (...options: string[]) =>
      (await podman.print(["run", "--rm", ...options, image, "grep", "^Cap", "/proc/self/status"])).split("\n");
    const none = "0".repeat(16);
    expect(await sets("--cap-drop=all")).toEqual(
      ["Inh", "Prm", "Eff", "Bnd", "Amb"].map((set) => `Cap${set}:\t${none}`),
    );
    const one = (1n << 23n).toString(16).padStart(16, "0");
    expect(await sets("--cap-drop=all", "--cap-add=SYS_NICE")).toEqual(
      expect.arrayContaining([`CapPrm:\t${one}`, `CapEff:\t${one}`, `CapBnd:\t${one}`]),
    );
    expect(await sets("--cap-drop=all", "--cap-add=SYS_NICE", "--user=visitor")).toEqual(
      expect.arrayContaining([`CapAmb:\t${one}`, `CapInh:\t${one}`]),
    );
  });

  flow("--privileged has the devices and all capabilities that Podman has", async (podman) => {
    const script =
      "grep CapEff /proc/self/status; ls /dev | wc -l; mount -t tmpfs tmpfs /tmp && echo mounted; [ -w /proc/sys ] && echo open";
    const printed = await podman.print(["run", "--rm", "--privileged", image, "sh", "-c", script]);
    const mine = /CapBnd:\s*(\S+)/.exec((await podman.scene.succeed(["cat", "/proc/self/status"])).stdout)?.[1];
    expect(printed).toMatch(new RegExp(`CapEff:\\t${mine}\n\\d+\nmounted\nopen$`));
  });

  flow("--ulimit sets the limits", async (podman) => {
    const printed = await podman.print([
      "run",
      "--rm",
      "--ulimit=nofile=123:456",
      "--ulimit=core=0:0",
      "--ulimit=nproc=999:1000",
      image,
      "sh",
      "-c",
      "ulimit -Sn; ulimit -Hn; ulimit -c",
    ]);
    expect(printed).toBe("123\n456\n0");
  });
});
