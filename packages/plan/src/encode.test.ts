import { readFileSync } from "node:fs";
import { defaultSpec } from "@runlet/spec";
import { describe, expect, it } from "vitest";
import { hostFacts } from "../test/inputs.ts";
import { compile } from "./compile.ts";
import { cloneFlags, encode, operationAt, operationCodes } from "./encode.ts";
import type { Operation, Plan } from "./operation.ts";

function planOf(...operations: Operation[]): Plan {
  return { version: 1, descriptors: [], phases: [{ name: "inNamespaces", operations }] };
}

interface Encoded {
  readonly code: number;
  readonly index: number;
  readonly fields: Uint8Array;
}

/** Reads the frame of an encoded plan as `plan.c` does; the fields are left as they are. */
function decode(bytes: Uint8Array): { flags: number; operations: Encoded[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  expect(new TextDecoder().decode(bytes.subarray(0, 4))).toBe("RLPL");
  expect(view.getUint32(4, true)).toBe(1);
  expect(view.getUint32(8, true)).toBe(bytes.length);
  const operations: Encoded[] = [];
  let at = 16;
  while (at < bytes.length) {
    const length = view.getUint32(at + 8, true);
    operations.push({
      code: view.getUint32(at, true),
      index: view.getUint32(at + 4, true),
      fields: bytes.subarray(at + 12, at + 12 + length),
    });
    at += 12 + length;
  }
  expect(at).toBe(bytes.length);
  return { flags: view.getUint32(12, true), operations };
}

const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString("hex");

describe("encode", () => {
  it("has the numbers of the init helper's plan.h, and no others", () => {
    const header = readFileSync(new URL("../../syscall/native/init/plan.h", import.meta.url), "utf8");
    const numbers = [...header.matchAll(/^ {2}OP_(\w+) = (\d+),$/gm)].map(([, name = "", number]) => [
      name.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      Number(number),
    ]);
    expect(numbers.length).toBeGreaterThan(40);
    expect(Object.fromEntries(numbers)).toEqual(operationCodes);
  });

  it("writes numbers little-endian and texts with their length and a NUL", () => {
    const plan = planOf({ op: "setHostname", hostname: "häl", from: "/hostname" });
    const [operation] = decode(encode(plan, { firstSlotFd: 5 })).operations;
    expect(operation).toMatchObject({ code: operationCodes.setHostname, index: 0 });
    expect(hex(operation?.fields)).toBe("0400000068c3a46c00");
  });

  it("writes limits beyond 2^53 exactly", () => {
    const rlim = 2n ** 64n - 1n;
    const plan = planOf({
      op: "setRlimit",
      name: "RLIMIT_AS",
      resource: 9,
      soft: 2n ** 53n + 1n,
      hard: rlim,
      from: "/",
    });
    const [operation] = decode(encode(plan, { firstSlotFd: 5 })).operations;
    expect(hex(operation?.fields.subarray(0, 20))).toBe("09000000" + "0100000000002000" + "ffffffffffffffff");
  });

  it("turns slots into descriptor numbers, and what is not given into 0xffffffff", () => {
    const [join, user] = decode(
      encode(
        planOf(
          { op: "joinNamespace", type: "network", slot: 2, from: "/" },
          { op: "setUser", uid: 1, gid: 2, additionalGids: [3], umask: null, from: "/" },
        ),
        { firstSlotFd: 7 },
      ),
    ).operations;
    expect(hex(join?.fields)).toBe("00000040" + "09000000");
    expect(hex(user?.fields)).toBe("01000000" + "02000000" + "ffffffff" + "01000000" + "01000000" + "03000000");
  });

  it("puts a pause where the parent acts, and leaves out what comes before the clone and after the start", () => {
    const plan: Plan = {
      version: 1,
      descriptors: [],
      phases: [
        {
          name: "beforeClone",
          operations: [{ op: "clone", namespaces: ["pid", "user"], intoCgroup: false, from: "/" }],
        },
        {
          name: "inNamespaces",
          operations: [
            { op: "writeIdMappings", uidMappings: [], gidMappings: [], setgroups: null, method: "direct", from: "/" },
            { op: "newSession", from: "/" },
          ],
        },
        {
          name: "afterStart",
          operations: [
            { op: "hook", kind: "poststart", index: 0, path: "/h", args: [], env: [], timeoutMs: null, from: "/" },
          ],
        },
      ],
    };
    const { operations, flags } = decode(encode(plan, { firstSlotFd: 5 }));
    expect(operations.map(({ code, index }) => [code, index])).toEqual([
      [operationCodes.pause, 1],
      [operationCodes.newSession, 2],
    ]);
    expect(flags, "an unprivileged parent must be able to write the maps").toBe(0);
    expect(operationAt(plan, 2)?.op).toBe("newSession");
    expect(operationAt(plan, 4)).toBeUndefined();
    expect(cloneFlags(plan)).toBe(0x30000000);
  });

  it("hides the helper of the default config from its first moment on", () => {
    const plan = compile(defaultSpec(), hostFacts(), { id: "a", bundleHostPath: "/b", cgroup: null });
    const { flags, operations } = decode(encode(plan, { firstSlotFd: 5 }));
    expect(flags & 1).toBe(1);
    expect(operations.at(-1)?.code).toBe(operationCodes.exec);
  });

  it("refuses a text that the kernel would cut", () => {
    const plan = planOf({ op: "setHostname", hostname: "a\0b", from: "/hostname" });
    expect(() => encode(plan, { firstSlotFd: 5 })).toThrow(/NUL/);
  });
});
