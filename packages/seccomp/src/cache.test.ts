import type { LinuxSeccomp, LinuxSeccompArg } from "@runlet/spec";
import { describe, expect, it } from "vitest";
import { compileSeccomp } from "./compile.ts";

const native = { nativeArch: "SCMP_ARCH_X86_64" } as const;

function allow(...names: string[]): LinuxSeccomp {
  return { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names, action: "SCMP_ACT_ALLOW" }] };
}

function when(arg: LinuxSeccompArg): LinuxSeccomp {
  return { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names: ["ioctl"], action: "SCMP_ACT_ALLOW", args: [arg] }] };
}

describe("the cache", () => {
  it("answers what it was given, and tells profiles, architectures and options apart", () => {
    const cache = new Map<string, Uint8Array>();
    const first = compileSeccomp(allow("read"), { ...native, cache });
    expect(compileSeccomp(allow("read"), { ...native, cache }).filter).toBe(first.filter);
    expect(cache.size).toBe(1);
    compileSeccomp(allow("write"), { ...native, cache });
    compileSeccomp(allow("read"), { nativeArch: "SCMP_ARCH_AARCH64", cache });
    compileSeccomp(allow("read"), { ...native, withoutEnosys: true, cache });
    compileSeccomp({ ...allow("read"), defaultErrnoRet: 2 }, { ...native, cache });
    compileSeccomp(when({ index: 0, op: "SCMP_CMP_EQ", value: 5 }), { ...native, cache });
    compileSeccomp(when({ index: 0, op: "SCMP_CMP_EQ", value: 6n }), { ...native, cache });
    expect(cache.size).toBe(7);
    expect([...cache.keys()].every((key) => /^[0-9a-f]{64}$/.test(key))).toBe(true);
  });

  it("still checks what the filter does not depend on", () => {
    const cache = new Map<string, Uint8Array>();
    compileSeccomp(allow("read"), { ...native, cache });
    const wrong = { ...allow("read"), listenerMetadata: "x" };
    expect(() => compileSeccomp(wrong, { ...native, cache })).toThrow("listenerMetadata is set without listenerPath");
    expect(compileSeccomp({ ...allow("read"), flags: ["SECCOMP_FILTER_FLAG_LOG"] }, { ...native, cache }).flags).toBe(
      2,
    );
  });

  it("takes the caller's digest", () => {
    const cache = Object.assign(new Map<string, Uint8Array>(), { digest: (text: string) => `length ${text.length}` });
    compileSeccomp(allow("read"), { ...native, cache });
    expect([...cache.keys()][0]).toMatch(/^length \d+$/);
  });
});
