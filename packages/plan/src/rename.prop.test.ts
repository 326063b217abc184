import type { LinuxNamespace, Mount, Spec } from "@runlet/spec";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  compileOptions,
  deepFreeze,
  hostFacts,
  hybridCgroup,
  hybridCgroups,
  namespaces,
  smallSpec,
  unifiedCgroup,
} from "../test/inputs.ts";
import { compile } from "./compile.ts";
import { encode } from "./encode.ts";
import type { CompileCgroup } from "./options.ts";
import { renamePlan } from "./rename.ts";

/** The control group of another container, where `box` stands in the inputs' own. */
function groupOf(id: string, group: CompileCgroup): CompileCgroup {
  const other = (path: string) => path.replace(/\/box$/, `/${id}`);
  const hostPaths = Object.fromEntries(Object.entries(group.hostPaths).map(([key, path]) => [key, other(path)]));
  return { ...group, path: other(group.path), hostPaths };
}

const mappings = [{ containerID: 0, hostID: 100000, size: 65536 }];

const mount: fc.Arbitrary<Mount> = fc.constantFrom<Mount>(
  { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", "nosuid"] },
  { destination: "/groups", type: "cgroup2", source: "cgroup" },
  // Binds of the very directories of the container that the plan was compiled for.
  { destination: "/memory", type: "bind", source: "/sys/fs/cgroup/memory/box", options: ["rbind"] },
  { destination: "/own", type: "bind", source: "/sys/fs/cgroup/box", options: ["bind", "ro"] },
  { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["size=1m"] },
  {
    destination: "/mapped",
    type: "bind",
    source: "/srv",
    options: ["bind"],
    uidMappings: mappings,
    gidMappings: mappings,
  },
);

const namespaceList: fc.Arbitrary<LinuxNamespace[]> = fc
  .subarray(["cgroup", "user", "pid"] as const)
  .map((types) => namespaces("mount", ...types));

const spec: fc.Arbitrary<Spec> = fc
  .record({ mounts: fc.array(mount, { maxLength: 5 }), list: namespaceList, cgroupsPath: fc.boolean() })
  .map(({ mounts, list, cgroupsPath }) =>
    smallSpec({
      mounts,
      hooks: { createRuntime: [{ path: "/bin/hook", args: ["hook", "box"] }] },
      linux: {
        namespaces: list,
        ...(list.some(({ type }) => type === "user") ? { uidMappings: mappings, gidMappings: mappings } : {}),
        ...(cgroupsPath ? { cgroupsPath: "/box" } : {}),
      },
    }),
  );

const situation = fc.constantFrom(
  { host: hostFacts(), group: unifiedCgroup },
  { host: hostFacts({ cgroups: hybridCgroups }), group: hybridCgroup },
  { host: hostFacts({ cgroups: hybridCgroups }), group: null },
);

test("a renamed plan is what compiling for the other container gives", () => {
  let renamedCount = 0;
  fc.assert(
    fc.property(spec, situation, (config, { host, group }) => {
      const from = { id: "box", cgroup: group };
      const to = { id: "other", cgroup: group === null ? null : groupOf("other", group) };
      const plan = deepFreeze(compile(deepFreeze(config), host, compileOptions(from)));
      const renamed = renamePlan(plan, config, { from, to });
      if (renamed === null) return;
      renamedCount++;
      expect(renamed).toEqual(compile(config, host, compileOptions(to)));
      // What was encoded before is used again for the operations that are the same, and for them alone.
      encode(plan, { firstSlotFd: 5 });
      const bytes = encode(renamed, { firstSlotFd: 5 });
      expect(encode(renamed, { firstSlotFd: 6 })).toEqual(encode(structuredClone(renamed), { firstSlotFd: 6 }));
      expect(bytes).toEqual(encode(structuredClone(renamed), { firstSlotFd: 5 }));
    }),
  );
  expect(renamedCount).toBeGreaterThan(20);
});

test("is left to compile where the two control groups differ in more than their path", () => {
  const plan = compile(smallSpec(), hostFacts(), compileOptions({ cgroup: unifiedCgroup }));
  const from = { id: "box", cgroup: unifiedCgroup };
  expect(renamePlan(plan, smallSpec(), { from, to: { id: "other", cgroup: null } })).toBeNull();
  expect(renamePlan(plan, smallSpec(), { from, to: { id: "other", cgroup: hybridCgroup } })).toBeNull();
  const fewer = { ...unifiedCgroup, hostPaths: {} };
  expect(renamePlan(plan, smallSpec(), { from, to: { id: "other", cgroup: fewer } })).toBeNull();
});
