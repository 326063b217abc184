import type { Arch, LinuxSeccomp, LinuxSeccompArg } from "@runlet/spec";
import { describe, expect, it } from "vitest";
import { formatAction } from "./action.ts";
import { architectures } from "./architecture.ts";
import { type CompileOptions, compileSeccomp } from "./compile.ts";
import { runFilter } from "./interpreter.ts";
import { findSyscallNumber } from "./syscall-number.ts";

const native: CompileOptions = { nativeArch: "SCMP_ARCH_X86_64" };

interface Call {
  readonly name?: string;
  readonly number?: number;
  readonly args?: readonly bigint[];
  readonly arch?: Arch;
}

function answer(profile: LinuxSeccomp, call: Call, options: CompileOptions = native): string {
  const architecture = architectures.get(call.arch ?? options.nativeArch);
  if (architecture === undefined) throw new Error("no such architecture");
  const number = call.number ?? findSyscallNumber(call.name ?? "", architecture);
  if (number === undefined) throw new Error(`no call ${call.name}`);
  const { filter } = compileSeccomp(profile, options);
  return formatAction(runFilter(filter, { number, arch: architecture.auditArch, args: call.args ?? [] }).value);
}

function allow(...names: string[]): LinuxSeccomp {
  return { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names, action: "SCMP_ACT_ALLOW" }] };
}

function when(arg: LinuxSeccompArg): LinuxSeccomp {
  return { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names: ["ioctl"], action: "SCMP_ACT_ALLOW", args: [arg] }] };
}

describe("actions", () => {
  it.each([
    ["SCMP_ACT_KILL", "KILL_THREAD"],
    ["SCMP_ACT_KILL_THREAD", "KILL_THREAD"],
    ["SCMP_ACT_KILL_PROCESS", "KILL_PROCESS"],
    ["SCMP_ACT_TRAP", "TRAP"],
    ["SCMP_ACT_ERRNO", "ERRNO(EPERM)"],
    ["SCMP_ACT_TRACE", "TRACE(1)"],
    ["SCMP_ACT_LOG", "LOG"],
  ] as const)("%s is %s", (action, expected) => {
    const profile: LinuxSeccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mount"], action }] };
    expect(answer(profile, { name: "mount" })).toBe(expected);
    expect(answer(profile, { name: "read" })).toBe("ALLOW");
  });

  it("takes the error number of a rule and of the default", () => {
    const profile: LinuxSeccomp = {
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 38,
      syscalls: [
        { names: ["mount"], action: "SCMP_ACT_ERRNO", errnoRet: 13 },
        { names: ["umount2"], action: "SCMP_ACT_TRACE", errnoRet: 65535 },
      ],
    };
    expect(answer(profile, { name: "mount" })).toBe("ERRNO(EACCES)");
    expect(answer(profile, { name: "umount2" })).toBe("TRACE(65535)");
    expect(answer(profile, { name: "read" })).toBe("ERRNO(ENOSYS)");
  });

  it("lets a rule without conditions stand above those with, and the first of two", () => {
    const profile: LinuxSeccomp = {
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [
        { names: ["ioctl"], action: "SCMP_ACT_TRAP", args: [{ index: 0, op: "SCMP_CMP_EQ", value: 1 }] },
        { names: ["ioctl"], action: "SCMP_ACT_LOG" },
        { names: ["ioctl"], action: "SCMP_ACT_KILL" },
        { names: ["ioctl"], action: "SCMP_ACT_TRAP", args: [{ index: 0, op: "SCMP_CMP_EQ", value: 2 }] },
      ],
    };
    for (const value of [1n, 2n, 3n]) expect(answer(profile, { name: "ioctl", args: [value] })).toBe("LOG");
  });
});

describe("conditions", () => {
  const big = (1n << 32n) + 5n;
  it.each([
    ["SCMP_CMP_NE", [true, true, false, true, true]],
    ["SCMP_CMP_LT", [true, true, false, false, false]],
    ["SCMP_CMP_LE", [true, true, true, false, false]],
    ["SCMP_CMP_EQ", [false, false, true, false, false]],
    ["SCMP_CMP_GE", [false, false, true, true, true]],
    ["SCMP_CMP_GT", [false, false, false, true, true]],
  ] as const)("%s compares 64 bits without a sign", (op, expected) => {
    const profile = when({ index: 3, op, value: big });
    const values = [0n, big - (1n << 32n), big, big + 1n, (1n << 64n) - 1n];
    const answers = values.map((value) => answer(profile, { name: "ioctl", args: [9n, 9n, 9n, value] }) === "ALLOW");
    expect(answers).toEqual(expected);
  });

  it("SCMP_CMP_MASKED_EQ compares the masked bits", () => {
    const profile = when({ index: 0, op: "SCMP_CMP_MASKED_EQ", value: 0xff00_0000_00f0n, valueTwo: 0x1200_0000_0034n });
    expect(answer(profile, { name: "ioctl", args: [0xab12_0000_0034n] })).toBe("ERRNO(EPERM)");
    expect(answer(profile, { name: "ioctl", args: [0x12ab_0000_0f3fn] })).toBe("ALLOW");
    expect(answer(profile, { name: "ioctl", args: [0x13ab_0000_0f3fn] })).toBe("ERRNO(EPERM)");
  });

  it("compares the lower 32 bits on an architecture of 32 bits", () => {
    const profile = when({ index: 0, op: "SCMP_CMP_EQ", value: 0xffff_ffff });
    const options = { nativeArch: "SCMP_ARCH_ARM" } as const;
    expect(answer(profile, { name: "ioctl", args: [0xffff_ffffn] }, options)).toBe("ALLOW");
    expect(answer(profile, { name: "ioctl", args: [0xffff_ffff_ffff_ffffn] }, options)).toBe("ALLOW");
  });

  it("wants all conditions of a rule, but takes those on one argument for alternatives", () => {
    const args: LinuxSeccompArg[] = [
      { index: 0, op: "SCMP_CMP_EQ", value: 1 },
      { index: 1, op: "SCMP_CMP_EQ", value: 2 },
    ];
    const both: LinuxSeccomp = { ...allow(), syscalls: [{ names: ["ioctl"], action: "SCMP_ACT_ALLOW", args }] };
    expect(answer(both, { name: "ioctl", args: [1n, 2n] })).toBe("ALLOW");
    expect(answer(both, { name: "ioctl", args: [1n, 3n] })).toBe("ERRNO(EPERM)");
    const again: LinuxSeccompArg[] = [...args, { index: 0, op: "SCMP_CMP_EQ", value: 7 }];
    const either: LinuxSeccomp = {
      ...allow(),
      syscalls: [{ names: ["ioctl"], action: "SCMP_ACT_ALLOW", args: again }],
    };
    expect(answer(either, { name: "ioctl", args: [7n, 3n] })).toBe("ALLOW");
    expect(answer(either, { name: "ioctl", args: [8n, 2n] })).toBe("ALLOW");
    expect(answer(either, { name: "ioctl", args: [8n, 3n] })).toBe("ERRNO(EPERM)");
  });

  it("keeps a rule of 32 bits whose last condition is the opposite of another rule's", () => {
    const profile: LinuxSeccomp = {
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [
        { names: ["ioctl"], action: "SCMP_ACT_ALLOW", args: [{ index: 2, op: "SCMP_CMP_NE", value: 9 }] },
        {
          names: ["ioctl"],
          action: "SCMP_ACT_ERRNO",
          errnoRet: 22,
          args: [
            { index: 0, op: "SCMP_CMP_EQ", value: 16 },
            { index: 2, op: "SCMP_CMP_EQ", value: 9 },
          ],
        },
      ],
    };
    const call = { name: "ioctl", args: [16n, 0n, 9n] };
    expect(answer(profile, call, { nativeArch: "SCMP_ARCH_X86" })).toBe("ERRNO(EINVAL)");
  });
});

describe("architectures", () => {
  it("kills calls of an architecture that the profile leaves out", () => {
    expect(answer(allow("read"), { name: "read", arch: "SCMP_ARCH_X86" })).toBe("KILL_THREAD");
    expect(answer(allow("read"), { name: "read", arch: "SCMP_ARCH_X32" })).toBe("KILL_THREAD");
    expect(answer(allow("read"), { number: 0xffff_ffff })).toBe("ERRNO(EPERM)");
  });

  it("gives each architecture its own numbers", () => {
    const profile: LinuxSeccomp = { ...allow("read"), architectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] };
    for (const arch of ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"] as const) {
      expect(answer(profile, { name: "read", arch })).toBe("ALLOW");
      expect(answer(profile, { name: "write", arch }, { ...native, withoutEnosys: true })).toBe("ERRNO(EPERM)");
    }
  });

  it.each([...architectures.keys()] as Arch[])("compiles for %s", (nativeArch) => {
    const profile: LinuxSeccomp = {
      defaultAction: "SCMP_ACT_KILL_PROCESS",
      syscalls: [
        { names: ["read"], action: "SCMP_ACT_ALLOW" },
        { names: ["ioctl"], action: "SCMP_ACT_ALLOW", args: [{ index: 1, op: "SCMP_CMP_EQ", value: 0x5401 }] },
      ],
    };
    const options = { nativeArch, withoutEnosys: true };
    expect(answer(profile, { name: "read" }, options)).toBe("ALLOW");
    expect(answer(profile, { name: "ioctl", args: [0n, 0x5401n] }, options)).toBe("ALLOW");
    expect(answer(profile, { name: "ioctl", args: [0n, 0x5402n] }, options)).toBe("KILL_PROCESS");
    expect(answer(profile, { name: "write" }, options)).toBe("KILL_PROCESS");
  });

  it("lets a call through its shared entry too, where there is one", () => {
    const options = { nativeArch: "SCMP_ARCH_X86" } as const;
    const profile = allow("socket", "shmget");
    expect(answer(profile, { name: "socketcall", args: [1n] }, options)).toBe("ALLOW");
    expect(answer(profile, { name: "socketcall", args: [2n] }, options)).toBe("ERRNO(EPERM)");
    expect(answer(profile, { name: "ipc", args: [23n] }, options)).toBe("ALLOW");
    expect(answer(profile, { name: "ipc", args: [21n] }, options)).toBe("ERRNO(EPERM)");
    expect(answer(profile, { name: "socket" }, options)).toBe("ALLOW");
  });
});

describe("calls newer than the profile", () => {
  const newer = { number: 460 };

  it("get ENOSYS above the highest number that is named", () => {
    expect(answer(allow("read", "openat2"), newer)).toBe("ERRNO(ENOSYS)");
    expect(answer(allow("read", "openat2"), { name: "pidfd_open" })).toBe("ERRNO(EPERM)");
    expect(answer(allow("read", "openat2"), newer, { ...native, withoutEnosys: true })).toBe("ERRNO(EPERM)");
  });

  it("get ENOSYS by the native architecture's number", () => {
    const value = (nativeArch: Arch): number => {
      const architecture = architectures.get(nativeArch);
      const { filter } = compileSeccomp(allow("read"), { nativeArch });
      return runFilter(filter, { number: 9999, arch: architecture?.auditArch ?? 0 }).value & 0xffff;
    };
    expect([value("SCMP_ARCH_AARCH64"), value("SCMP_ARCH_MIPSEL64"), value("SCMP_ARCH_PARISC")]).toEqual([38, 89, 251]);
  });

  it.each(["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"] as const)(
    "get the default if it is %s",
    (defaultAction) => {
      const profile: LinuxSeccomp = { defaultAction, syscalls: [{ names: ["mount"], action: "SCMP_ACT_ERRNO" }] };
      expect(answer(profile, newer)).not.toContain("ENOSYS");
    },
  );

  it("are hidden in number 0 on s390", () => {
    const options = { nativeArch: "SCMP_ARCH_S390X" } as const;
    expect(answer(allow("read", "write"), { number: 0 }, options)).toBe("ERRNO(ENOSYS)");
    expect(answer(allow("read", "write"), { number: 1 }, options)).toBe("ERRNO(EPERM)");
    expect(answer(allow("read", "write"), { name: "read" }, options)).toBe("ALLOW");
  });
});

describe("flags and the listener", () => {
  it("passes flags on", () => {
    const flags = ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"] as const;
    expect(compileSeccomp({ ...allow("read"), flags: [...flags] }, native)).toMatchObject({
      flags: 0b111,
      listener: false,
    });
  });

  it("leaves out WAIT_KILLABLE_RECV where nothing can wait", () => {
    const profile: LinuxSeccomp = { ...allow("read"), flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] };
    expect(compileSeccomp(profile, native).flags).toBe(0);
  });

  it("asks for a listener", () => {
    const compiled = compileSeccomp(
      {
        defaultAction: "SCMP_ACT_ALLOW",
        flags: ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
        listenerPath: "/run/notify.sock",
        listenerMetadata: "tenant 7",
        syscalls: [{ names: ["mount"], action: "SCMP_ACT_NOTIFY" }],
      },
      native,
    );
    expect(compiled).toMatchObject({
      listener: true,
      listenerPath: "/run/notify.sock",
      listenerMetadata: "tenant 7",
      flags: 0b111001,
    });
  });
});

it("says which names no architecture knows", () => {
  expect(compileSeccomp(allow("read", "raed", "write"), native).warnings).toEqual([
    { pointer: "/linux/seccomp/syscalls/0/names/1", message: 'unknown system call "raed"' },
  ]);
});

it("jumps over more than 255 instructions", () => {
  const values = Array.from({ length: 900 }, (_, index) => index * 3);
  const profile: LinuxSeccomp = {
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: values.map((value) => ({
      names: ["ioctl", "fcntl"],
      action: value % 2 === 0 ? "SCMP_ACT_ALLOW" : "SCMP_ACT_LOG",
      args: [{ index: 1, op: "SCMP_CMP_EQ", value }],
    })),
  };
  const { filter } = compileSeccomp(profile, native);
  for (let value = 0; value < 2800; value++) {
    const data = { number: 16, arch: 0xc000_003e, args: [0n, BigInt(value)] };
    const expected = value % 3 !== 0 || value >= 2700 ? "ERRNO(EPERM)" : value % 2 === 0 ? "ALLOW" : "LOG";
    expect(formatAction(runFilter(filter, data).value)).toBe(expected);
  }
});
