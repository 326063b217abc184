import { quote, RunletError } from "@runlet/errors";
import type { LinuxIntelRdt } from "@runlet/spec";
import { readText } from "../cgroup-file.ts";

/** Pointer of the config's part for Resource Director Technology. */
export const intelRdtPointer = "/linux/intelRdt";

/** One line for a `schemata` file. */
export interface SchemaLine {
  /** JSON Pointer of the config entry. */
  readonly from: string;
  readonly value: string;
}

/** What of a config schemata come from. */
export type Schemata = Pick<LinuxIntelRdt, "l3CacheSchema" | "memBwSchema" | "schemata">;

/**
 * The lines of a config, in the order in which they are written: `schemata` last. Of `l3CacheSchema` the lines of memory
 * bandwidth are left out where `memBwSchema` has its own. @see config-linux.md#intelrdt
 */
export function schemaLines({ l3CacheSchema = "", memBwSchema = "", schemata = [] }: Schemata): SchemaLine[] {
  const cacheLines = linesOf(l3CacheSchema, `${intelRdtPointer}/l3CacheSchema`);
  return [
    ...(memBwSchema === "" ? cacheLines : cacheLines.filter(({ value }) => !value.startsWith("MB:"))),
    ...linesOf(memBwSchema, `${intelRdtPointer}/memBwSchema`),
    ...schemata.flatMap((text, index) => linesOf(text, `${intelRdtPointer}/schemata/${index}`)),
  ];
}

function linesOf(text: string, from: string): SchemaLine[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((value) => ({ from, value }));
}

/**
 * Compares a class of service that is there with what a config says of it, by domain: the kernel pads numbers and names every
 * domain.
 *
 * @throws RunletError `ERR_RUNLET_CGROUP` with the pointer of the line that it does not have.
 */
export function checkSchemata(hostPath: string, lines: readonly SchemaLine[]): void {
  if (lines.length === 0) return;
  const present = new Map(readText(`${hostPath}/schemata`).split("\n").map(parseSchema));
  for (const { from, value } of lines) {
    const [resource, domains] = parseSchema(value);
    const known = present.get(resource);
    const isSame = known !== undefined && [...domains].every(([domain, mask]) => known.get(domain) === mask);
    if (isSame) continue;
    throw new RunletError(
      "ERR_RUNLET_CGROUP",
      `the class of service ${quote(hostPath)} has other schemata than ${quote(value)}`,
      {
        pointer: from,
        hint: "leave out the schemata to use the class as it is, or give another closID",
      },
    );
  }
}

/** `L3:0=0f;1=f0` is the resource L3 with a mask for each domain. */
function parseSchema(line: string): [resource: string, domains: Map<string, string>] {
  const [resource, rest] = line.trim().split(":");
  const domains = new Map<string, string>();
  for (const pair of (rest ?? "").split(";")) {
    const [domain, mask] = pair.split("=");
    domains.set(
      (domain ?? "").trim(),
      (mask ?? "")
        .trim()
        .replace(/^0+(?=.)/, "")
        .toLowerCase(),
    );
  }
  return [resource ?? "", domains];
}
