import { IntelRdtGroup } from "@runlet/cgroups";
import { compile, type HostFacts, type Operation } from "@runlet/plan";
import { compileSeccomp } from "@runlet/seccomp";
import { defaultSpec, type Spec } from "@runlet/spec";
import schema from "@runlet/spec/schema/config.json" with { type: "json" };
import { validateConfig, validateFeatures } from "@runlet/validator";
import { describe, expect, test } from "vitest";
import { selectAnnotations, warnOfAnnotations } from "./annotations.ts";
import { features } from "./features.ts";
import { compileIntelRdt } from "./intel-rdt.ts";

const host: HostFacts = {
  kernel: { major: 6, minor: 18 },
  architecture: "x64",
  euid: 0,
  egid: 0,
  isInUserNamespace: false,
  setgroups: "allow",
  hasSubordinateIds: false,
  lastCapability: 63,
  hasKcore: true,
  securityModules: ["apparmor", "selinux"],
  cgroups: { kind: "v2", hierarchies: [], unified: { mountPoint: "/sys/fs/cgroup" } },
};

type Change = (spec: Spec & Required<Pick<Spec, "process" | "linux" | "mounts" | "root">>) => unknown;

/** The plan of the default config with a change; throws where the validator or the compiler refuses it. */
function planOf(change: Change): Operation[] {
  const spec = structuredClone(defaultSpec()) as Parameters<Change>[0];
  change(spec);
  const { issues } = validateConfig(JSON.stringify(spec));
  const error = issues.find(({ severity }) => severity === "error");
  if (error !== undefined) throw new Error(`${error.pointer}: ${error.message}`);
  const plan = compile(spec, host, { id: "features", bundleHostPath: "/bundle", cgroup: null });
  return plan.phases.flatMap(({ operations }) => [...operations]);
}

/** The words that the schema lists for a definition. */
function wordsOf(name: keyof typeof schema.definitions): readonly string[] {
  const { enum: words } = schema.definitions[name] as { enum?: readonly string[] };
  if (words === undefined) throw new Error(`the schema lists no words for ${name}`);
  return words;
}

const listed = features();
const linux = listed.linux ?? {};
const seccomp = linux.seccomp ?? {};

test("has the shape that the specification gives it", async () => {
  expect((await validateFeatures(JSON.stringify(listed))).issues).toEqual([]);
});

test("every hook that is listed runs, and every one that the specification knows is listed", () => {
  expect([...(listed.hooks ?? [])].sort()).toEqual(Object.keys(schema.definitions.Hooks.properties).sort());
  const hooks = Object.fromEntries((listed.hooks ?? []).map((kind) => [kind, [{ path: `/${kind}` }]]));
  const kinds = planOf((spec) => (spec.hooks = hooks)).flatMap((operation) =>
    operation.op === "hook" ? [operation.kind] : [],
  );
  // Hooks of poststop belong to no plan: delete runs them.
  expect(kinds).toEqual(listed.hooks?.filter((kind) => kind !== "poststop"));
});

describe("mount options", () => {
  const handedOn = new Set(["sync", "async", "dirsync", "lazytime", "nolazytime", "mand", "nomand"]);

  function mountOf(option: string): Operation {
    const isBind = ["bind", "rbind", "idmap", "ridmap"].includes(option);
    const mount = isBind
      ? { destination: "/here", type: "bind", source: "/srv", options: ["bind", option] }
      : { destination: "/here", type: "tmpfs", source: "tmpfs", options: [option] };
    const mappings = [{ containerID: 0, hostID: 1000, size: 1 }];
    const operations = planOf((spec) => {
      spec.mounts.push(option.endsWith("idmap") ? { ...mount, uidMappings: mappings, gidMappings: mappings } : mount);
    });
    const found = operations.find(
      (one) => (one.op === "mount" || one.op === "remount") && one.containerPath === "/here",
    );
    if (found === undefined) throw new Error(`${option} makes no operation`);
    return found;
  }

  test.each(listed.mountOptions ?? [])("%s is ours, not the file system's", (option) => {
    const operation = mountOf(option);
    if (handedOn.has(option)) return;
    const source = operation.op === "mount" ? operation.source : undefined;
    const words = source?.kind === "filesystem" ? source.options.map(({ key }) => key) : [];
    expect(words).not.toContain(option);
  });

  test("what is not listed is the file system's", () => {
    const operation = mountOf("size=1m");
    expect(operation).toMatchObject({ source: { options: [{ key: "size", value: "1m" }] } });
  });

  test("no option of the specification is left out", () => {
    const specified =
      "async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev nodiratime noexec " +
      "noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime " +
      "remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate " +
      "rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid " +
      "symfollow sync tmpcopyup unbindable idmap ridmap";
    expect(specified.split(" ").filter((option) => !listed.mountOptions?.includes(option))).toEqual([]);
  });
});

test("every namespace of the specification is listed and can be made", () => {
  expect([...(linux.namespaces ?? [])].sort()).toEqual([...wordsOf("NamespaceType")].sort());
  for (const type of linux.namespaces ?? []) {
    const operations = planOf((spec) => {
      const others = (spec.linux.namespaces ?? []).filter((entry) => entry.type !== type);
      spec.linux.namespaces = [...others, { type: type as "pid" }];
      const mappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
      if (type === "user") Object.assign(spec.linux, { uidMappings: mappings, gidMappings: mappings });
    });
    const made = operations.flatMap((operation) => ("namespaces" in operation ? operation.namespaces : []));
    expect(made).toContain(type);
  }
});

test("every capability that is listed is given, and no other", () => {
  for (const name of linux.capabilities ?? []) {
    const operations = planOf(
      (spec) => (spec.process.capabilities = { bounding: [name], permitted: [name], effective: [name] }),
    );
    expect(operations.find(({ op }) => op === "setCapabilities")).toMatchObject({ effective: [name] });
  }
  const operations = planOf((spec) => (spec.process.capabilities = { permitted: ["CAP_NONSENSE"] }));
  expect(operations.find(({ op }) => op === "setCapabilities")).toMatchObject({ permitted: [] });
});

describe("seccomp", () => {
  const native = { nativeArch: "SCMP_ARCH_X86_64" } as const;

  test("actions", () => {
    expect([...(seccomp.actions ?? [])].sort()).toEqual([...wordsOf("LinuxSeccompAction")].sort());
    for (const action of seccomp.actions ?? []) {
      const syscalls = [{ names: ["getppid"], action: action as "SCMP_ACT_LOG" }];
      const profile = { defaultAction: "SCMP_ACT_ALLOW", syscalls, listenerPath: "/run/agent.sock" } as const;
      expect(() => compileSeccomp(profile, native)).not.toThrow();
    }
  });

  test("operators", () => {
    expect([...(seccomp.operators ?? [])].sort()).toEqual([...wordsOf("LinuxSeccompOperator")].sort());
    for (const op of seccomp.operators ?? []) {
      const args = [{ index: 0, value: 1, op: op as "SCMP_CMP_EQ" }];
      const syscalls = [{ names: ["getpgid"], action: "SCMP_ACT_ERRNO" as const, args }];
      expect(() => compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW", syscalls }, native)).not.toThrow();
    }
  });

  test("architectures", () => {
    expect([...(seccomp.archs ?? [])].sort()).toEqual([...wordsOf("Arch")].sort());
  });

  test("flags: the known are taken, and what the kernel supports is among them", () => {
    expect([...(seccomp.knownFlags ?? [])].sort()).toEqual([...wordsOf("LinuxSeccompFlag")].sort());
    for (const flag of seccomp.knownFlags ?? []) {
      const profile = { defaultAction: "SCMP_ACT_ALLOW", flags: [flag as "SECCOMP_FILTER_FLAG_LOG"] } as const;
      expect(() => compileSeccomp({ ...profile, flags: [...profile.flags] }, native)).not.toThrow();
    }
    expect(seccomp.knownFlags).toEqual(expect.arrayContaining(seccomp.supportedFlags ?? []));
  });
});

test("memory policies: modes and flags", () => {
  expect([...(linux.memoryPolicy?.modes ?? [])].sort()).toEqual([...wordsOf("LinuxMemoryPolicyMode")].sort());
  expect([...(linux.memoryPolicy?.flags ?? [])].sort()).toEqual([...wordsOf("LinuxMemoryPolicyFlag")].sort());
});

test("what is enabled is carried out, and what is not is refused", () => {
  const cases: [enabled: boolean | undefined, change: Change, op: Operation["op"]][] = [
    [linux.apparmor?.enabled, (spec) => (spec.process.apparmorProfile = "profile"), "setLabel"],
    [linux.selinux?.enabled, (spec) => (spec.process.selinuxLabel = "system_u:system_r:container_t:s0"), "setLabel"],
    [linux.netDevices?.enabled, (spec) => (spec.linux.netDevices = { eth9: {} }), "moveNetDevice"],
  ];
  for (const [enabled, change, op] of cases) {
    expect(enabled).toBe(true);
    expect(planOf(change).map((operation) => operation.op)).toContain(op);
  }
});

test("Resource Director Technology: schemata and monitoring", () => {
  expect(linux.intelRdt).toEqual({ enabled: true, schemata: true, monitoring: true });
  const change: Change = (spec) => (spec.linux.intelRdt = { schemata: ["L3:0=f"], enableMonitoring: true });
  expect(() => planOf(change)).toThrow(expect.objectContaining({ pointer: "/linux/intelRdt" }));
  const spec = structuredClone(defaultSpec()) as Parameters<Change>[0];
  change(spec);
  const group = new IntelRdtGroup({ id: "features", config: spec.linux.intelRdt ?? {}, mountPoint: "/sys/fs/resctrl" });
  const options = { id: "features", bundleHostPath: "/bundle", cgroup: null, intelRdt: compileIntelRdt(group) };
  const operations = compile(spec, host, options).phases.flatMap((phase) => phase.operations);
  expect(operations.find(({ op }) => op === "createIntelRdtGroup")).toMatchObject({
    hostPath: "/sys/fs/resctrl/features",
    monitoringHostPath: "/sys/fs/resctrl/features/mon_groups/features",
    writes: [{ from: "/linux/intelRdt/schemata/0", file: "schemata", value: "L3:0=f" }],
  });
});

describe("annotations that can act", () => {
  const spec = {
    ...defaultSpec(),
    annotations: { "org.systemd.property.TimeoutStopUSec": "uint64 1", "org.example.note": "x" },
  };

  test("do so for nobody who has not allowed them", () => {
    expect(selectAnnotations(spec, [])).toEqual({});
    expect(warnOfAnnotations(spec, []).map(({ pointer }) => pointer)).toEqual([
      "/annotations/org.systemd.property.TimeoutStopUSec",
    ]);
  });

  test.each([["org.systemd.property.TimeoutStopUSec"], ["org.systemd.property."], ["org."]])("%s allows it", (name) => {
    expect(selectAnnotations(spec, [name])).toEqual({ "org.systemd.property.TimeoutStopUSec": "uint64 1" });
    expect(warnOfAnnotations(spec, [name])).toEqual([]);
  });

  test("a name that is not a prefix allows itself alone", () => {
    expect(selectAnnotations(spec, ["org.systemd.property.Timeout", "org.example.note"])).toEqual({});
  });

  test("are all that is listed", () => {
    for (const name of Object.keys(selectAnnotations(spec, ["org."]))) {
      expect(listed.potentiallyUnsafeConfigAnnotations?.some((prefix) => name.startsWith(prefix))).toBe(true);
    }
    expect(listed.potentiallyUnsafeConfigAnnotations).toEqual(["org.criu.config", "org.systemd.property."]);
  });
});
