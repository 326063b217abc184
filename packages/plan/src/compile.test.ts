import { defaultSpec, type Spec } from "@runlet/spec";
import { describe, expect, test } from "vitest";
import { fullSpec } from "../test/full-spec.ts";
import {
  allOperations,
  compileOptions,
  deepFreeze,
  hostFacts,
  operationsOf,
  smallSpec,
  unifiedCgroup,
  valueAt,
} from "../test/inputs.ts";
import { compile } from "./compile.ts";
import { planToJson } from "./format.ts";
import { poststopHooks } from "./hooks.ts";
import type { Plan } from "./operation.ts";
import { execAffinity } from "./scheduling.ts";

const host = hostFacts({ securityModules: ["selinux", "apparmor"] });
const options = compileOptions({ cgroup: unifiedCgroup });

test("the smallest config, whole", () => {
  expect(compile(smallSpec(), hostFacts(), compileOptions())).toEqual({
    version: 1,
    descriptors: [{ kind: "startSocket", from: "spec:runtime.md#start" }],
    warnings: [],
    phases: [
      {
        name: "beforeClone",
        operations: [{ op: "clone", namespaces: ["mount"], intoCgroup: false, from: "/linux/namespaces" }],
      },
      {
        name: "inNamespaces",
        operations: [
          { op: "newSession", from: "spec:runtime.md#lifecycle" },
          { op: "joinSessionKeyring", name: "_ses.box", grantSearch: true, from: "spec:runtime.md#lifecycle" },
          {
            op: "setRootPropagation",
            propagation: ["MS_SLAVE", "MS_REC"],
            privateParentOf: "/bundle/rootfs",
            from: "spec:config-linux.md#rootfs-mount-propagation",
          },
          { op: "bindRoot", hostPath: "/bundle/rootfs", treeSlot: null, from: "/root/path" },
          ...[
            ["/dev/null", 1, 3],
            ["/dev/zero", 1, 5],
            ["/dev/full", 1, 7],
            ["/dev/random", 1, 8],
            ["/dev/urandom", 1, 9],
            ["/dev/tty", 5, 0],
          ].map(([containerPath, major, minor]) => ({
            op: "makeDevice",
            containerPath,
            type: "c",
            major,
            minor,
            mode: 0o666,
            uid: 0,
            gid: 0,
            bind: false,
            from: "spec:config-linux.md#default-devices",
          })),
          ...[
            ["/dev/fd", "/proc/self/fd"],
            ["/dev/stdin", "/proc/self/fd/0"],
            ["/dev/stdout", "/proc/self/fd/1"],
            ["/dev/stderr", "/proc/self/fd/2"],
            ["/dev/core", "/proc/kcore"],
          ].map(([containerPath, target]) => ({
            op: "symlink",
            containerPath,
            target,
            from: "spec:config-linux.md#dev-symbolic-links",
          })),
          {
            op: "symlink",
            containerPath: "/dev/ptmx",
            target: "pts/ptmx",
            from: "spec:config-linux.md#default-devices",
          },
          { op: "enterRoot", method: "pivot", from: "/root/path" },
        ],
      },
      {
        name: "afterPivot",
        operations: [
          { op: "dropBoundingCapabilities", keep: [], from: "spec:config.md#linux-process" },
          { op: "setWorkingDirectory", containerPath: "/", create: false, mayFail: true, from: "/process/cwd" },
          { op: "setUser", uid: 0, gid: 0, additionalGids: [], umask: 0o022, from: "/process/user" },
          {
            op: "setCapabilities",
            effective: [],
            permitted: [],
            inheritable: [],
            ambient: [],
            from: "spec:config.md#linux-process",
          },
          { op: "setWorkingDirectory", containerPath: "/", create: false, from: "/process/cwd" },
          { op: "findExecutable", name: "/bin/true", searchPath: "/bin:/usr/bin", from: "/process/args" },
        ],
      },
      {
        name: "atStart",
        operations: [
          { op: "awaitStart", slot: 0, from: "spec:runtime.md#start" },
          { op: "exec", args: ["/bin/true"], env: ["HOME=/root"], preserveFds: 0, from: "/process/args" },
        ],
      },
      { name: "afterStart", operations: [] },
    ],
  });
});

test("the default config compiles without a warning", () => {
  const plan = compile(defaultSpec(), hostFacts(), options);
  expect(plan.warnings).toEqual([]);
});

test("the input stays as it is, and the same input gives the same plan", () => {
  const input = [deepFreeze(fullSpec()), deepFreeze(host), deepFreeze(options)] as const;
  expect(compile(...input)).toEqual(compile(fullSpec(), host, options));
});

test("the plan is the caller's: no list in it is the config's", () => {
  const spec = fullSpec();
  const plan = compile(spec, host, options);
  const before = structuredClone(plan);
  spec.process?.args?.push("more");
  spec.linux?.uidMappings?.push({ containerID: 9, hostID: 9, size: 9 });
  spec.process?.user.additionalGids?.push(9);
  spec.hooks?.prestart?.[0]?.args?.push("more");
  expect(plan).toEqual(before);
});

describe("every field of the config is consumed", () => {
  /** Fields that reach no operation, and where they go instead. */
  const consumedElsewhere: Readonly<Record<string, string>> = {
    "/ociVersion": "the validator, and the container's state",
    "/annotations": "the container's state",
    "/linux/cgroupsPath": "options.cgroup.path, by the cgroup driver",
    "/hooks/poststop": "poststopHooks",
    "/process/execCPUAffinity": "execAffinity",
  };

  function isElsewhere(pointer: string): boolean {
    return Object.keys(consumedElsewhere).some((place) => pointer === place || pointer.startsWith(`${place}/`));
  }

  const leaves = leavesOf(fullSpec(), "").filter((pointer) => !isElsewhere(pointer));

  test("there are as many as there should be", () => {
    expect(leaves.length).toBeGreaterThan(110);
  });

  test("the config with every field compiles", () => {
    expect(compile(fullSpec(), host, options).warnings).toEqual([]);
  });

  test.each(leaves)("%s: another value is another plan, or is refused", (pointer) => {
    expect(outcomeOf(withChanged(fullSpec(), pointer))).not.toEqual(outcomeOf(fullSpec()));
  });

  test("the fields that go elsewhere do", () => {
    const spec = fullSpec();
    expect(poststopHooks(spec)).toHaveLength(1);
    expect(execAffinity(spec.process?.execCPUAffinity).final).not.toBeNull();
    expect(operationsOf(compile(spec, host, options), "createCgroup")[0]).toMatchObject({
      path: unifiedCgroup.path,
      from: "/linux/cgroupsPath",
    });
  });

  test("and each operation says which field it comes from", () => {
    const spec = fullSpec();
    const plan = compile(spec, host, options);
    for (const { from } of [...allOperations(plan), ...plan.descriptors]) {
      if (!from.startsWith("spec:")) expect(valueAt(spec, from), from).toBeDefined();
    }
  });

  function outcomeOf(spec: Spec): unknown {
    try {
      const { warnings: _, ...plan } = planToJson(compile(spec, host, options));
      return plan;
    } catch (error) {
      return { refused: (error as { pointer?: string }).pointer };
    }
  }
});

/** Pointers of all values that are neither objects nor filled lists. */
function leavesOf(value: unknown, pointer: string): string[] {
  if (typeof value !== "object" || value === null) return [pointer];
  return Object.entries(value).flatMap(([key, part]) =>
    leavesOf(part, `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`),
  );
}

function withChanged(spec: Spec, pointer: string): Spec {
  const at = pointer.lastIndexOf("/");
  const parent = valueAt(spec, pointer.slice(0, at)) as Record<string, unknown>;
  const key = pointer
    .slice(at + 1)
    .replaceAll("~1", "/")
    .replaceAll("~0", "~");
  const value = parent[key];
  parent[key] = typeof value === "boolean" ? !value : typeof value === "number" ? value + 1 : otherText(String(value));
  return spec;
}

function otherText(text: string): string {
  return text === "" ? "/run/other" : `${text}1`;
}

test("a plan has all five phases, in order", () => {
  const plan: Plan = compile(fullSpec(), host, options);
  expect(plan.phases.map(({ name }) => name)).toEqual([
    "beforeClone",
    "inNamespaces",
    "afterPivot",
    "atStart",
    "afterStart",
  ]);
});
