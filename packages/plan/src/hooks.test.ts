import { expect, test } from "vitest";
import { namesOf, operationsOf, planOf, smallSpec } from "../test/inputs.ts";
import { poststopHooks } from "./hooks.ts";
import { isParentOperation } from "./operation.ts";

const hooks = {
  prestart: [{ path: "/h/prestart" }],
  createRuntime: [{ path: "/h/runtime0", args: ["setkey", "x"], env: ["A=1"], timeout: 10 }, { path: "/h/runtime1" }],
  createContainer: [{ path: "/h/container" }],
  startContainer: [{ path: "/h/start" }],
  poststart: [{ path: "/h/poststart" }],
  poststop: [{ path: "/h/poststop", args: [] }],
};

test("a hook, whole: argv[0] is args[0], whatever the path", () => {
  expect(operationsOf(planOf({ hooks }), "hook")[1]).toEqual({
    op: "hook",
    kind: "createRuntime",
    index: 0,
    path: "/h/runtime0",
    args: ["setkey", "x"],
    env: ["A=1"],
    timeoutMs: 10_000,
    from: "/hooks/createRuntime/0",
  });
});

test("each kind at its moment", () => {
  const plan = planOf({ hooks, process: { terminal: true }, root: { path: "rootfs", readonly: true } });
  expect(operationsOf(plan, "hook").map(({ path }) => path)).toEqual([
    "/h/prestart",
    "/h/runtime0",
    "/h/runtime1",
    "/h/container",
    "/h/start",
    "/h/poststart",
  ]);
  const inNamespaces = namesOf(plan, "inNamespaces");
  expect(inNamespaces.slice(inNamespaces.indexOf("hook"))).toEqual([
    "hook",
    "hook",
    "hook",
    "openConsole",
    "hook",
    "setRootReadonly",
    "enterRoot",
  ]);
  expect(namesOf(plan, "atStart")).toEqual(["awaitStart", "hook", "exec"]);
  expect(namesOf(plan, "afterStart")).toEqual(["hook"]);
});

test("those of the container run in it", () => {
  const ofInit = operationsOf(planOf({ hooks }), "hook").filter((hook) => !isParentOperation(hook));
  expect(ofInit.map(({ kind }) => kind)).toEqual(["createContainer", "startContainer"]);
});

test("poststop belongs to delete; a program without arguments still knows its name", () => {
  expect(poststopHooks(smallSpec({ hooks }))).toMatchObject([
    { kind: "poststop", args: ["/h/poststop"], timeoutMs: null, from: "/hooks/poststop/0" },
  ]);
  expect(poststopHooks(smallSpec())).toEqual([]);
});

test("a timeout beyond any timer's is the longest that there is", () => {
  const long = { poststart: [{ path: "/h", timeout: 2 ** 40 }] };
  expect(operationsOf(planOf({ hooks: long }), "hook")[0]?.timeoutMs).toBe(0x7fff_ffff);
});
