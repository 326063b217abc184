import { describe, expect, test } from "vitest";
import { namespaces, planOf } from "../test/inputs.ts";
import { encode } from "./encode.ts";
import type { Plan } from "./operation.ts";

const notDumpable = 1;
const mappings = [{ containerID: 0, hostID: 1000, size: 1 }];

function flagsOf(plan: Plan): number {
  const bytes = encode(plan, { firstSlotFd: 5 });
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(12, true);
}

describe("the helper is not dumpable from its first moment on", () => {
  test("where nothing of it has to be seen", () => {
    expect(flagsOf(planOf({ linux: { namespaces: namespaces("mount", "pid") } }))).toBe(notDumpable);
  });

  test("but in a new user namespace, whose maps an ordinary user writes in its procfs", () => {
    const linux = { namespaces: namespaces("mount", "user"), uidMappings: mappings, gidMappings: mappings };
    expect(flagsOf(planOf({ linux }))).toBe(0);
  });

  test("but in a user namespace that is joined: it hides itself when it joins", () => {
    const joined = { type: "user" as const, path: "/proc/1/ns/user" };
    expect(flagsOf(planOf({ linux: { namespaces: [...namespaces("mount"), joined] } }))).toBe(0);
  });

  test("also when it joins another namespace than that", () => {
    const joined = { type: "network" as const, path: "/proc/1/ns/net" };
    expect(flagsOf(planOf({ linux: { namespaces: [...namespaces("mount"), joined] } }))).toBe(notDumpable);
  });
});
