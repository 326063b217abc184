import type { LinuxNamespace, Mount, Spec } from "@runlet/spec";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  compileOptions,
  deepFreeze,
  hostFacts,
  hybridCgroup,
  hybridCgroups,
  unifiedCgroup,
  valueAt,
} from "../test/inputs.ts";
import { compile } from "./compile.ts";
import { encode } from "./encode.ts";
import { formatPlan, planToJson } from "./format.ts";
import { namespaceTypes } from "./kernel.ts";
import type { Operation, OperationName, PhaseName, Plan } from "./operation.ts";

const mount: fc.Arbitrary<Mount> = fc
  .record({
    destination: fc.constantFrom("/data", "/dev", "/dev/pts", "/dev/shm", "/sys/fs/cgroup", "/sys"),
    type: fc.constantFrom("tmpfs", "sysfs", "cgroup", "devpts", "bind"),
    options: fc.subarray(["ro", "nosuid", "noatime", "rro", "slave", "shared", "nodev", "mode=755"]),
  })
  .map(({ type, ...rest }) => ({ ...rest, type, source: type === "bind" ? "data" : type }));

const namespaceList: fc.Arbitrary<LinuxNamespace[]> = fc
  .subarray(namespaceTypes.filter((type) => type !== "mount"))
  .chain((types) =>
    fc.tuple(
      ...["mount" as const, ...types].map((type) =>
        fc.boolean().map((isJoined): LinuxNamespace => (isJoined ? { type, path: `/run/ns/${type}` } : { type })),
      ),
    ),
  );

const capability = fc.subarray(["CAP_KILL", "CAP_SYS_ADMIN", "CAP_CHOWN"]);
const hookList = fc.array(fc.constant({ path: "/bin/hook" }), { maxLength: 2 });
const seccomp = {
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO" }],
} as const;

const spec: fc.Arbitrary<Spec> = fc
  .record({
    namespaces: namespaceList,
    mounts: fc.array(mount, { maxLength: 5 }),
    readonly: fc.boolean(),
    terminal: fc.boolean(),
    noNewPrivileges: fc.boolean(),
    hasSeccomp: fc.boolean(),
    rlimits: fc.subarray(["RLIMIT_NOFILE", "RLIMIT_AS", "RLIMIT_CORE"]),
    capabilities: fc.record({
      bounding: capability,
      effective: capability,
      permitted: capability,
      inheritable: capability,
      ambient: capability,
    }),
    hooks: fc.record({
      prestart: hookList,
      createRuntime: hookList,
      createContainer: hookList,
      startContainer: hookList,
      poststart: hookList,
    }),
    cwd: fc.constantFrom("/", "/work"),
    rootfsPropagation: fc.constantFrom(undefined, "shared", "rslave", "rprivate", "unbindable" as const),
    maskedPaths: fc.subarray(["/proc/kcore", "/sys/firmware"]),
  })
  .map((choice): Spec => {
    const mappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
    const hasUserNamespace = choice.namespaces.some(({ type, path }) => type === "user" && path === undefined);
    return {
      ociVersion: "1.3.0",
      root: { path: "rootfs", readonly: choice.readonly },
      mounts: choice.mounts,
      hooks: choice.hooks,
      process: {
        user: { uid: 5, gid: 6 },
        cwd: choice.cwd,
        args: ["true"],
        terminal: choice.terminal,
        noNewPrivileges: choice.noNewPrivileges,
        capabilities: choice.capabilities,
        rlimits: choice.rlimits.map((type) => ({ type, soft: 10, hard: 20 })),
      },
      linux: {
        namespaces: choice.namespaces,
        maskedPaths: choice.maskedPaths,
        ...(choice.rootfsPropagation === undefined ? {} : { rootfsPropagation: choice.rootfsPropagation as "shared" }),
        ...(choice.hasSeccomp ? { seccomp: structuredClone(seccomp) as never } : {}),
        ...(hasUserNamespace ? { uidMappings: mappings, gidMappings: mappings } : {}),
      },
    };
  });

const situation = fc.record({
  host: fc.constantFrom(
    hostFacts(),
    hostFacts({ cgroups: hybridCgroups, hasKcore: false }),
    hostFacts({ isInUserNamespace: true }),
  ),
  cgroup: fc.constantFrom(null, unifiedCgroup, hybridCgroup),
});

function check(hold: (plan: Plan, config: Spec) => void): void {
  fc.assert(
    fc.property(spec, situation, (config, { host, cgroup }) => {
      hold(compile(deepFreeze(config), host, compileOptions({ cgroup })), config);
    }),
  );
}

function operations(plan: Plan, phase: PhaseName): readonly Operation[] {
  return plan.phases.find(({ name }) => name === phase)?.operations ?? [];
}

function names(plan: Plan, phase: PhaseName): OperationName[] {
  return operations(plan, phase).map(({ op }) => op);
}

/** Expects that each operation of `first` that is there comes before each of `second`. */
function expectBefore(sequence: readonly OperationName[], first: OperationName, second: OperationName): void {
  if (!sequence.includes(first) || !sequence.includes(second)) return;
  expect(sequence.lastIndexOf(first), `${first} before ${second}`).toBeLessThan(sequence.indexOf(second));
}

test("every `from` leads to an entry of the config or to a rule", () => {
  check((plan, config) => {
    for (const { from } of [...plan.phases.flatMap((phase) => phase.operations), ...plan.descriptors]) {
      if (!from.startsWith("spec:")) expect(valueAt(config, from), from).toBeDefined();
    }
    for (const { pointer } of plan.warnings ?? []) expect(valueAt(config, pointer), pointer).toBeDefined();
  });
});

test("the clone is the last thing before, and happens once; so is exec at the start", () => {
  check((plan) => {
    expect(names(plan, "beforeClone").at(-1)).toBe("clone");
    expect(names(plan, "atStart")[0]).toBe("awaitStart");
    expect(names(plan, "atStart").at(-1)).toBe("exec");
    const all = plan.phases.flatMap((phase) => phase.operations.map(({ op }) => op));
    for (const once of ["clone", "exec", "awaitStart", "enterRoot", "setUser", "setCapabilities"] as const) {
      expect(
        all.filter((op) => op === once),
        once,
      ).toHaveLength(1);
    }
  });
});

test("after a limit is set there is only what needs none", () => {
  check((plan) => {
    const atStart = names(plan, "atStart");
    const first = atStart.indexOf("setRlimit");
    if (first < 0) return;
    expect(new Set(atStart.slice(first).filter((op) => !["setRlimit", "loadSeccomp", "exec"].includes(op)))).toEqual(
      new Set(),
    );
  });
});

test("a filter is loaded once, at the start or while CAP_SYS_ADMIN is there", () => {
  check((plan, config) => {
    const early = names(plan, "afterPivot");
    const late = names(plan, "atStart");
    const loaded = [...early, ...late].filter((op) => op === "loadSeccomp");
    expect(loaded).toHaveLength(config.linux?.seccomp === undefined ? 0 : 1);
    expectBefore(early, "loadSeccomp", "setUser");
    expectBefore(early, "loadSeccomp", "setCapabilities");
    if (config.process?.noNewPrivileges === true) expect(early).not.toContain("loadSeccomp");
    if (late.includes("loadSeccomp")) expect(late.at(-2)).toBe("loadSeccomp");
  });
});

test("nothing is written into a root or a file system that is read-only already", () => {
  check((plan) => {
    const sequence = names(plan, "inNamespaces");
    const hooks = operations(plan, "inNamespaces").findLastIndex(({ op }) => op === "hook");
    for (const writer of ["mount", "makeDevice", "symlink", "makeDirectory", "openConsole"] as const) {
      expectBefore(sequence, writer, "setRootReadonly");
    }
    if (sequence.includes("setRootReadonly")) expect(hooks).toBeLessThan(sequence.indexOf("setRootReadonly"));
    expect(sequence.at(-1)).toBe("enterRoot");
  });
});

test("ids, then mounts; the control group, then its namespace; bounding set, user, capabilities", () => {
  check((plan) => {
    const inside = names(plan, "inNamespaces");
    for (const [first, second] of [
      ["joinNamespace", "unshare"],
      ["joinNamespace", "newSession"],
      ["fork", "newSession"],
      ["setTimeOffset", "fork"],
      ["writeIdMappings", "becomeRoot"],
      ["becomeRoot", "bindRoot"],
      ["setRootPropagation", "bindRoot"],
      ["bindRoot", "mount"],
    ] as const) {
      expectBefore(inside, first, second);
    }
    const cgroupNamespace = operations(plan, "inNamespaces").findIndex(
      (operation) => operation.op === "unshare" && operation.namespaces.includes("cgroup"),
    );
    if (cgroupNamespace >= 0) expect(inside.lastIndexOf("joinCgroup")).toBeLessThan(cgroupNamespace);
    const after = names(plan, "afterPivot");
    for (const [first, second] of [
      ["raiseRlimit", "setNoNewPrivileges"],
      ["dropBoundingCapabilities", "setUser"],
      ["setUser", "setCapabilities"],
      ["setCapabilities", "findExecutable"],
    ] as const) {
      expectBefore(after, first, second);
    }
  });
});

test("every slot is a descriptor of its kind, and every descriptor is used", () => {
  check((plan) => {
    const used = new Set<number>();
    const use = (slot: number | null | undefined, ...kinds: string[]) => {
      if (slot === null || slot === undefined) return;
      used.add(slot);
      expect(kinds).toContain(plan.descriptors[slot]?.kind);
    };
    for (const operation of plan.phases.flatMap((phase) => phase.operations)) {
      if (operation.op === "joinNamespace") use(operation.slot, "namespace");
      if (operation.op === "joinCgroup") for (const slot of operation.slots) use(slot, "cgroupProcs");
      if (operation.op === "awaitStart") use(operation.slot, "startSocket");
      if (operation.op === "bindRoot") use(operation.treeSlot, "tree");
      if (operation.op === "mount") {
        use(operation.idmapSlot, "idmap", "namespace");
        if (operation.source.kind === "descriptor") use(operation.source.slot, "tree", "filesystem");
      }
    }
    for (const descriptor of plan.descriptors)
      if (descriptor.kind === "tree" || descriptor.kind === "filesystem")
        use(descriptor.idmapSlot, "idmap", "namespace");
    expect([...used].sort((a, b) => a - b)).toEqual(plan.descriptors.map((_, slot) => slot));
  });
});

test("a plan can be encoded, printed and turned into JSON", () => {
  check((plan) => {
    expect(encode(plan, { firstSlotFd: 3 }).length).toBeGreaterThan(16);
    const count = plan.phases.reduce((sum, phase) => sum + phase.operations.length, 0);
    const lines = formatPlan(plan)
      .split("\n")
      .filter((line) => line.startsWith("  "));
    expect(lines).toHaveLength(count + plan.descriptors.length);
    expect(JSON.parse(JSON.stringify(planToJson(plan)))).toEqual(planToJson(plan));
  });
});

test("the same input gives the same plan", () => {
  fc.assert(
    fc.property(spec, situation, (config, { host, cgroup }) => {
      const options = compileOptions({ cgroup });
      expect(compile(structuredClone(config), host, options)).toEqual(compile(config, host, options));
    }),
  );
});
