import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Arch, LinuxSeccomp, LinuxSeccompOperator } from "@runlet/spec";
import { readProfile } from "../src/profile.ts";

const operatorNumbers: Readonly<Record<LinuxSeccompOperator, number>> = {
  SCMP_CMP_NE: 1,
  SCMP_CMP_LT: 2,
  SCMP_CMP_LE: 3,
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GE: 5,
  SCMP_CMP_GT: 6,
  SCMP_CMP_MASKED_EQ: 7,
};

/** Compiles the C program of this directory. */
export function buildLibseccomp(): { readonly program: string; readonly directory: string } {
  const directory = mkdtempSync(join(tmpdir(), "libseccomp-"));
  const program = join(directory, "libseccomp");
  const source = fileURLToPath(new URL("libseccomp.c", import.meta.url));
  const flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"];
  try {
    execFileSync("cc", [...flags, source, "-lseccomp", "-o", program], { stdio: "pipe" });
  } catch (cause) {
    throw new Error("this test compares with libseccomp: it needs a C compiler and libseccomp-dev", { cause });
  }
  return { program, directory };
}

/** What libseccomp makes of a profile. */
export interface LibseccompFilter {
  /** In the byte order of the native architecture. */
  readonly filter: Uint8Array;
  /** Its own description of the same rules, in its pseudo filter code. */
  readonly pseudoCode: string;
}

/** A filter, or the errno with which libseccomp refused the profile. */
export type LibseccompResult = LibseccompFilter | { readonly errno: number };

/** The profile as the C program reads it, in the rules that runc makes of it. */
export function describeProfile(profile: LinuxSeccomp, nativeArch: Arch): string[] {
  const { defaultVerdict, architectures, rules } = readProfile(profile, nativeArch);
  // runc turns on libseccomp's binary tree from 33 rules on; each name is a rule to it.
  const count = rules.reduce((sum, rule) => sum + rule.names.length, 0);
  const lines = [`begin ${defaultVerdict.value} ${count > 32 ? 2 : 1}`];
  for (const { name } of architectures) lines.push(`arch ${name.slice("SCMP_ARCH_".length).toLowerCase()}`);
  for (const { names, verdict, alternatives } of rules) {
    if (verdict.value === defaultVerdict.value) continue;
    for (const name of names) {
      for (const conditions of alternatives) {
        const args = conditions.map((c) => {
          const masked = c.op === "SCMP_CMP_MASKED_EQ";
          const value = (BigInt(c.high) << 32n) | BigInt(c.low);
          const mask = (BigInt(c.maskHigh) << 32n) | BigInt(c.maskLow);
          return ` ${c.arg} ${operatorNumbers[c.op]} ${masked ? mask : value} ${masked ? value : 0}`;
        });
        lines.push(`rule ${verdict.value} ${name}${args.join("")}`);
      }
    }
  }
  return lines;
}

/** Runs profiles through libseccomp. */
export function compileWithLibseccomp(program: string, profiles: readonly (readonly string[])[]): LibseccompResult[] {
  const input = profiles.map((lines) => `${lines.join("\n")}\nend\n`).join("");
  const { stdout, error, status } = spawnSync(program, [], {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 30,
    timeout: 20_000,
  });
  if (error !== undefined) throw new Error("libseccomp did not come to an end", { cause: error });
  if (status !== 0) throw new Error(`the C program ended with ${status}`);
  return stdout.trimEnd().split("\n").map(readResult);
}

/** How long libseccomp takes for a profile in a process of its own, in nanoseconds: the first time, then again and again. */
export function timeLibseccomp(program: string, lines: readonly string[], turns: number): number[] {
  const input = `${lines.join("\n")}\ntime\n`.repeat(turns);
  const output = execFileSync(program, [], { input, encoding: "utf8" });
  return output
    .trimEnd()
    .split("\n")
    .map((line) => Number(line.slice("ns ".length)));
}

function readResult(line: string): LibseccompResult {
  const [word, first = "", second = ""] = line.split(" ");
  if (word !== "ok") return { errno: -Number(first) };
  return { filter: Uint8Array.from(Buffer.from(first, "hex")), pseudoCode: Buffer.from(second, "hex").toString() };
}

/**
 * A filter for a big-endian machine, in little-endian.
 *
 * @param returns - what the profile can return. Where libseccomp repeats a return to keep jumps short, it swaps its value a
 *   second time (`_gen_bpf_build_jmp_ret`); that shows only when a little-endian machine generates for a big-endian one.
 */
export function swapFilter(filter: Uint8Array, returns: ReadonlySet<number>): Uint8Array {
  const swapped = filter.slice();
  const view = new DataView(swapped.buffer);
  for (let at = 0; at < swapped.length; at += 8) {
    const code = view.getUint16(at);
    const value = view.getUint32(at + 4);
    const isSwappedTwice = code === 6 && !returns.has(value) && returns.has(view.getUint32(at + 4, true));
    view.setUint16(at, code, true);
    if (!isSwappedTwice) view.setUint32(at + 4, value, true);
  }
  return swapped;
}

/** Every value that the filter of a profile can return. */
export function returnsOf(profile: LinuxSeccomp, nativeArch: Arch): Set<number> {
  const { defaultVerdict, rules } = readProfile(profile, nativeArch);
  return new Set([0, defaultVerdict.value, ...rules.map(({ verdict }) => verdict.value)]);
}
