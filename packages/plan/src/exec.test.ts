import { defaultSpec, type Process } from "@runlet/spec";
import { expect, test } from "vitest";
import { allOperations, deepFreeze, hostFacts, operationsOf } from "../test/inputs.ts";
import { type CompileExecOptions, compileExec } from "./exec.ts";

const process: Process = { args: ["ls"], cwd: "/", user: { uid: 5, gid: 6 }, env: ["HOME=/root"] };
const root = { major: 0, minor: 42, inode: 7n };

function options(changes: Partial<CompileExecOptions> = {}): CompileExecOptions {
  return deepFreeze({
    id: "box",
    config: defaultSpec(),
    pid: 77,
    namespaces: ["pid", "network", "ipc", "uts", "mount", "cgroup"] as const,
    rootIdentities: [root],
    setgroups: "allow" as const,
    cgroupControllers: ["memory", ""],
    ...changes,
  });
}

function names(changes: Partial<CompileExecOptions> = {}, host = hostFacts()): string[] {
  return allOperations(compileExec(process, host, options(changes))).map((operation) =>
    operation.op === "joinNamespace" ? `joinNamespace ${operation.type}` : operation.op,
  );
}

test("the control group is joined first, the pid namespace last, and nothing waits for a start", () => {
  expect(names()).toEqual([
    "clone",
    "joinCgroup",
    "joinNamespace cgroup",
    "joinNamespace ipc",
    "joinNamespace uts",
    "joinNamespace network",
    "joinNamespace mount",
    "joinNamespace pid",
    "joinRoot",
    "fork",
    "newSession",
    "joinSessionKeyring",
    "dropBoundingCapabilities",
    "setWorkingDirectory",
    "setUser",
    "setCapabilities",
    "setWorkingDirectory",
    "findExecutable",
    "exec",
  ]);
});

test("the clone makes no namespace and goes into no control group", () => {
  const plan = compileExec(process, hostFacts(), options());
  expect(operationsOf(plan, "clone")).toMatchObject([{ namespaces: [], intoCgroup: false }]);
});

test("only namespaces that are not the caller's are joined, by the process that is in them", () => {
  const plan = compileExec(process, hostFacts(), options());
  const namespaces = plan.descriptors.flatMap((one) => (one.kind === "namespace" ? [one.hostPath] : []));
  expect(namespaces).toEqual(["cgroup", "ipc", "uts", "net", "mnt", "pid"].map((name) => `/proc/77/ns/${name}`));
  expect(plan.descriptors.some(({ kind }) => kind === "startSocket")).toBe(false);
});

test("a container whose process has gone to the caller's namespace is refused", () => {
  expect(() => compileExec(process, hostFacts(), options({ namespaces: ["pid", "network", "ipc", "uts"] }))).toThrow(
    /is in the caller's mount namespace/,
  );
});

test("root joins the user namespace last, an ordinary user first", () => {
  const config = defaultSpec();
  config.linux = {
    namespaces: [{ type: "mount" }, { type: "pid" }, { type: "user" }],
    uidMappings: [{ containerID: 0, hostID: 1000, size: 10 }],
    gidMappings: [{ containerID: 0, hostID: 1000, size: 10 }],
  };
  const changes = { config, namespaces: ["mount", "pid", "user"] as const };
  const joins = (all: readonly string[]) =>
    all.filter((name) => /^join(Namespace|Root)|^(clearGroups|becomeRoot)/.test(name));
  expect(joins(names(changes))).toEqual([
    "clearGroups",
    "joinNamespace mount",
    "joinNamespace pid",
    "joinNamespace user",
    "becomeRoot",
    "joinRoot",
  ]);
  expect(joins(names(changes, hostFacts({ euid: 1000, egid: 1000 })))).toEqual([
    "joinNamespace user",
    "becomeRoot",
    "joinNamespace mount",
    "joinNamespace pid",
    "joinRoot",
  ]);
  const unmapped = { ...process, user: { uid: 10, gid: 0 } };
  expect(() => compileExec(unmapped, hostFacts(), options(changes))).toThrow(/user id 10 is not mapped/);
});

test("without a mount namespace of its own the root of the container's process is entered", () => {
  const config = defaultSpec();
  config.linux = { namespaces: [{ type: "pid" }] };
  const plan = compileExec(process, hostFacts(), options({ config, namespaces: ["pid"] }));
  const [joinRoot] = operationsOf(plan, "joinRoot");
  expect(joinRoot?.identities).toEqual([root]);
  expect(plan.descriptors[joinRoot?.slot ?? -1]).toMatchObject({ kind: "root", hostPath: "/proc/77/root" });
  expect(operationsOf(compileExec(process, hostFacts(), options()), "joinRoot")[0]?.slot).toBeNull();
});

test("labels are written while procfs is open, affinity around the control group", () => {
  const labelled: Process = {
    ...process,
    apparmorProfile: "strict",
    execCPUAffinity: { initial: "0", final: "1" },
  };
  const plan = compileExec(labelled, hostFacts({ securityModules: ["apparmor"] }), options());
  const order = allOperations(plan).map(({ op }) => op);
  expect(order.indexOf("setLabel")).toBeLessThan(order.indexOf("joinRoot"));
  expect(order.slice(1, 4)).toEqual(["setAffinity", "joinCgroup", "setAffinity"]);
});

test("capabilities are the process's alone: none are inheritable, and none are there without any", () => {
  const [none] = operationsOf(compileExec(process, hostFacts(), options()), "setCapabilities");
  expect(none).toMatchObject({ effective: [], permitted: [], inheritable: [], ambient: [] });
});

test("a terminal is not bound over /dev/console", () => {
  const plan = compileExec({ ...process, terminal: true }, hostFacts(), options());
  expect(operationsOf(plan, "openConsole")).toMatchObject([{ bind: false }]);
});
