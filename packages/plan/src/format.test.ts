import { defaultSpec } from "@runlet/spec";
import { describe, expect, test } from "vitest";
import { fullSpec } from "../test/full-spec.ts";
import { compileOptions, hostFacts, planOf, smallSpec, unifiedCgroup } from "../test/inputs.ts";
import { compile } from "./compile.ts";
import { formatPlan, planToJson } from "./format.ts";

test("the default config as a table", () => {
  const write = { controller: "", file: "pids.max", value: "max", from: "/linux/resources" };
  const options = compileOptions({ cgroup: { ...unifiedCgroup, writes: [write] } });
  const text = formatPlan(compile(defaultSpec({ cgroupNamespace: true }), hostFacts(), options));
  expect(text).toBe(`descriptors
  0                         parent  start socket                                                  spec:runtime.md#start

beforeClone
  createCgroup              parent  v2 /box, 1 write                                              spec:config-linux.md#cgroups-path
  clone                     parent  mount pid network ipc uts into cgroup                         /linux/namespaces

inNamespaces
  raiseRlimit               init    RLIMIT_NOFILE 1024                                            /process/rlimits/0
  newSession                init                                                                  spec:runtime.md#lifecycle
  joinSessionKeyring        init    _ses.box, searchable                                          spec:runtime.md#lifecycle
  unshare                   init    cgroup                                                        /linux/namespaces/5
  bringUpLoopback           init    lo                                                            /linux/namespaces/1
  setRootPropagation        init    rslave                                                        spec:config-linux.md#rootfs-mount-propagation
  bindRoot                  init    /bundle/rootfs                                                /root/path
  mount                     init    proc on /proc                                                 /mounts/0
  mount                     init    tmpfs on /dev, nosuid,strictatime, mode=755,size=65536k       /mounts/1
  mount                     init    devpts on /dev/pts, nosuid,noexec, newinstance,ptmxmode=0666,mode=0620,gid=5  /mounts/2
  mount                     init    tmpfs shm on /dev/shm, nosuid,nodev,noexec, mode=1777,size=65536k  /mounts/3
  mount                     init    mqueue on /dev/mqueue, nosuid,nodev,noexec                    /mounts/4
  mount                     init    sysfs on /sys, ro,nosuid,nodev,noexec, ro                     /mounts/5
  mount                     init    cgroup2 cgroup on /sys/fs/cgroup, ro,nosuid,nodev,noexec,relatime  /mounts/6
  makeDevice                init    /dev/null c 1:3, 0666                                         spec:config-linux.md#default-devices
  makeDevice                init    /dev/zero c 1:5, 0666                                         spec:config-linux.md#default-devices
  makeDevice                init    /dev/full c 1:7, 0666                                         spec:config-linux.md#default-devices
  makeDevice                init    /dev/random c 1:8, 0666                                       spec:config-linux.md#default-devices
  makeDevice                init    /dev/urandom c 1:9, 0666                                      spec:config-linux.md#default-devices
  makeDevice                init    /dev/tty c 5:0, 0666                                          spec:config-linux.md#default-devices
  symlink                   init    /dev/fd -> /proc/self/fd                                      spec:config-linux.md#dev-symbolic-links
  symlink                   init    /dev/stdin -> /proc/self/fd/0                                 spec:config-linux.md#dev-symbolic-links
  symlink                   init    /dev/stdout -> /proc/self/fd/1                                spec:config-linux.md#dev-symbolic-links
  symlink                   init    /dev/stderr -> /proc/self/fd/2                                spec:config-linux.md#dev-symbolic-links
  symlink                   init    /dev/core -> /proc/kcore                                      spec:config-linux.md#dev-symbolic-links
  symlink                   init    /dev/ptmx -> pts/ptmx                                         spec:config-linux.md#default-devices
  openConsole               init    bound over /dev/console                                       /process/terminal
  makePathReadonly          init    /proc/bus                                                     /linux/readonlyPaths/0
  makePathReadonly          init    /proc/fs                                                      /linux/readonlyPaths/1
  makePathReadonly          init    /proc/irq                                                     /linux/readonlyPaths/2
  makePathReadonly          init    /proc/sys                                                     /linux/readonlyPaths/3
  makePathReadonly          init    /proc/sysrq-trigger                                           /linux/readonlyPaths/4
  maskPath                  init    /proc/acpi                                                    /linux/maskedPaths/0
  maskPath                  init    /proc/asound                                                  /linux/maskedPaths/1
  maskPath                  init    /proc/kcore                                                   /linux/maskedPaths/2
  maskPath                  init    /proc/keys                                                    /linux/maskedPaths/3
  maskPath                  init    /proc/latency_stats                                           /linux/maskedPaths/4
  maskPath                  init    /proc/timer_list                                              /linux/maskedPaths/5
  maskPath                  init    /proc/timer_stats                                             /linux/maskedPaths/6
  maskPath                  init    /proc/sched_debug                                             /linux/maskedPaths/7
  maskPath                  init    /sys/firmware                                                 /linux/maskedPaths/8
  maskPath                  init    /proc/scsi                                                    /linux/maskedPaths/9
  maskPath                  init    /sys/devices/virtual/tpm                                      /linux/maskedPaths/10
  setRootReadonly           init                                                                  /root/readonly
  enterRoot                 init    pivot                                                         /root/path

afterPivot
  setHostname               init    runlet                                                        /hostname
  setNoNewPrivileges        init                                                                  /process/noNewPrivileges
  lookUpHome                init    uid 0                                                         spec:config.md#process
  dropBoundingCapabilities  init    all but CAP_KILL CAP_NET_BIND_SERVICE CAP_AUDIT_WRITE         /process/capabilities
  setWorkingDirectory       init    /, if permitted                                               /process/cwd
  setUser                   init    0:0, umask 022                                                /process/user
  setCapabilities           init    effective 3, permitted 3, inheritable 0, ambient 0            /process/capabilities
  setWorkingDirectory       init    /                                                             /process/cwd
  findExecutable            init    sh                                                            /process/args

atStart
  awaitStart                init    (descriptor 0)                                                spec:runtime.md#start
  setRlimit                 init    RLIMIT_NOFILE 1024:1024                                       /process/rlimits/0
  exec                      init    sh                                                            /process/args
`);
});

describe("what every field becomes is said in a line", () => {
  const host = hostFacts({ securityModules: ["selinux", "apparmor"] });
  const lines = formatPlan(compile(fullSpec(), host, compileOptions()))
    .split("\n")
    .map((line) => line.trim().replaceAll(/ {2,}/g, "  "));

  test.each([
    "writeIdMappings  parent  uid 0:100000:65536, gid 0:200000:65536  /linux/uidMappings",
    "joinNamespace  init  network (descriptor 2)  /linux/namespaces/5",
    "setTimeOffset  init  monotonic 1 s 2 ns  /linux/timeOffsets/monotonic",
    "moveNetDevice  parent  eth1 as eth0  /linux/netDevices/eth1",
    "mount  init  descriptor 1 on /data, nosuid  /mounts/0",
    "makeDevice  init  /dev/fuse c 10:229, 0600, 1:2, bound  /linux/devices/0",
    "hook  parent  createRuntime #0 /h/1, timeout 1000 ms  /hooks/createRuntime/0",
    "openConsole  init  bound over /dev/console, 24 rows, 80 columns  /process/terminal",
    "setPropagation  init  rslave  /linux/rootfsPropagation",
    "setSysctl  init  net.ipv4.ip_forward=1  /linux/sysctl/net.ipv4.ip_forward",
    "setPersonality  init  LINUX32  /linux/personality",
    "setScheduler  init  policy 6, flags 0x2, nice 1, priority 1, 10/20/30 ns  /process/scheduler",
    "setIoPriority  init  class 2 priority 4  /process/ioPriority",
    "setMemoryPolicy  init  mode 0x8002, nodes 0x1  /linux/memoryPolicy",
    'setLabel  init  apparmor/exec "exec box"  /process/apparmorProfile',
    "raiseRlimit  init  RLIMIT_NOFILE 2048  /process/rlimits/0",
    "setUser  init  1:2, groups 3, umask 027  /process/user",
    "setOomScoreAdj  parent  100  /process/oomScoreAdj",
    "makeDirectory  init  /work  /process/cwd",
    "0  parent  id map, uid 0:5000:10, gid 0:6000:10  /mounts/0",
    "1  parent  new tmpfs data, size=1m,context=system_u:object_r:container_file_t:s0  /mounts/0",
  ])("%s", (line) => {
    expect(lines).toContain(line);
  });
});

test("a text that could drive a terminal is quoted", () => {
  const text = formatPlan(planOf({ process: { args: ["/bin/sh", "\u001b[2J", "a b", ""] } }));
  expect(text).toContain('exec                      init    /bin/sh "\\u001b[2J" "a b" ""');
  expect(text).not.toContain("\u001b");
});

describe("JSON", () => {
  test("keeps 64-bit values exact, and filters readable", () => {
    const rlimits = [{ type: "RLIMIT_AS", soft: 1, hard: 18446744073709551615n }];
    const seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO" }],
    } as const;
    const spec = smallSpec({ process: { rlimits, noNewPrivileges: true } });
    const plan = compile(
      { ...spec, linux: { ...spec.linux, seccomp: seccomp as never } },
      hostFacts(),
      compileOptions(),
    );
    const json = planToJson(plan) as {
      phases: {
        name: string;
        operations: { op: string; by: string; filter?: { base64: string; instructions: number } }[];
      }[];
    };
    const atStart = json.phases[3]?.operations ?? [];
    expect(atStart[1]).toEqual({
      op: "setRlimit",
      by: "init",
      name: "RLIMIT_AS",
      resource: 9,
      soft: 1,
      hard: "18446744073709551615",
      from: "/process/rlimits/0",
    });
    const [filter] = plan.phases[3]?.operations.filter(({ op }) => op === "loadSeccomp") ?? [];
    if (filter?.op !== "loadSeccomp") throw new Error("no filter");
    expect(atStart[2]?.filter).toEqual({
      base64: Buffer.from(filter.filter).toString("base64"),
      instructions: filter.filter.length / 8,
    });
    expect(JSON.parse(JSON.stringify(json))).toEqual(json);
  });

  test("says who carries an operation out, and what does not hold", () => {
    const json = planToJson(planOf({ linux: { namespaces: [{ type: "mount" }], cgroupsPath: "/x" } }));
    expect(json).toMatchObject({
      version: 1,
      phases: [{ name: "beforeClone", operations: [{ op: "clone", by: "parent" }] }, {}, {}, {}, {}],
      warnings: [{ pointer: "/linux/cgroupsPath" }],
    });
  });
});
