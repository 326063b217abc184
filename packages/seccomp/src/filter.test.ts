import { expect, it } from "vitest";
import { dockerProfile } from "../test/profiles.ts";
import { architectures } from "./architecture.ts";
import { compileSeccomp } from "./compile.ts";
import { runFilter } from "./interpreter.ts";
import { findSyscallNumber } from "./syscall-number.ts";

const nativeArch = "SCMP_ARCH_X86_64";
const { filter } = compileSeccomp(dockerProfile(nativeArch), { nativeArch });

function countSteps(name: string): number {
  const architecture = architectures.get(nativeArch);
  if (architecture === undefined) throw new Error("no such architecture");
  const number = findSyscallNumber(name, architecture);
  if (number === undefined) throw new Error(`no call ${name}`);
  return runFilter(filter, { number, arch: architecture.auditArch }).steps;
}

it("answers the most usual calls in a few instructions", () => {
  for (const name of ["read", "write", "close", "mmap"]) expect(countSteps(name)).toBeLessThanOrEqual(7);
  for (const name of ["futex", "openat", "newfstatat", "epoll_wait"]) expect(countSteps(name)).toBeLessThanOrEqual(10);
  for (const name of ["execve", "mount", "clone3", "personality"]) expect(countSteps(name)).toBeLessThanOrEqual(24);
});

it("stays small with three architectures", () => {
  expect(filter.length / 8).toBeLessThan(300);
});
