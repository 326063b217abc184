import { RunletError } from "@runlet/errors";
import type { LinuxBlockIO, LinuxCPU, LinuxMemory, LinuxPids, LinuxResources } from "@runlet/spec";
import { parseBytes } from "./byte-size.ts";
import type { OptionValues } from "./command.ts";
import type { updateOptions } from "./options/process.ts";

/** The options of `update` that hold limits. */
export type LimitOptions = Omit<OptionValues<typeof updateOptions>, "resources" | SchemaOption>;

/** The options of `update` that hold no control group's limits. */
export type SchemaOption = "l3-cache-schema" | "mem-bw-schema";

/**
 * The limits that the options of `update` ask for, and no others.
 *
 * @throws {@link RunletError} `ERR_RUNLET_USAGE` with runc's words, `invalid value for cpu-quota: …`.
 */
export function resourcesOf(options: LimitOptions): LinuxResources {
  const read = <Value>(name: keyof LimitOptions, parse: (text: string) => Value): Value | undefined => {
    const text = options[name];
    return typeof text === "string" && text !== "" ? readValue(name, text, parse) : undefined;
  };
  return (
    section<LinuxResources>({
      memory: section<LinuxMemory>({
        limit: read("memory", parseLimit),
        reservation: read("memory-reservation", parseLimit),
        swap: read("memory-swap", parseLimit),
      }),
      cpu: section<LinuxCPU>({
        shares: read("cpu-share", parseUint64),
        quota: read("cpu-quota", parseInt64),
        burst: read("cpu-burst", parseUint64),
        period: read("cpu-period", parseUint64),
        realtimeRuntime: read("cpu-rt-runtime", parseInt64),
        realtimePeriod: read("cpu-rt-period", parseUint64),
        cpus: read("cpuset-cpus", String),
        mems: read("cpuset-mems", String),
        idle: read("cpu-idle", parseInt64),
      }),
      pids: section<LinuxPids>({ limit: options["pids-limit"] }),
      blockIO: section<LinuxBlockIO>({ weight: options["blkio-weight"] }),
    }) ?? {}
  );
}

/** The fields that are given; undefined when there are none. */
function section<Section extends object>(
  fields: {
    readonly [Name in keyof Section]: Section[Name] | undefined;
  },
): Section | undefined {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : (Object.fromEntries(given) as Section);
}

function readValue<Value>(name: string, text: string, parse: (text: string) => Value): Value {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof RunletError)) throw cause;
    const { hint } = cause;
    throw new RunletError("ERR_RUNLET_USAGE", `invalid value for ${name}: ${cause.message}`, { hint, cause });
  }
}

/** Bytes, or -1 for no limit. */
function parseLimit(text: string): number {
  return text === "-1" ? -1 : parseBytes(text);
}

function parseUint64(text: string): number | bigint {
  return parseWhole(text, { minimum: 0n, maximum: 2n ** 64n - 1n });
}

function parseInt64(text: string): number | bigint {
  return parseWhole(text, { minimum: -(2n ** 63n), maximum: 2n ** 63n - 1n });
}

/** A decimal number; a `bigint` where a `number` is not exact. */
function parseWhole(text: string, range: { readonly minimum: bigint; readonly maximum: bigint }): number | bigint {
  if (!/^[+-]?[0-9]+$/.test(text)) {
    throw new RunletError("ERR_RUNLET_USAGE", `${JSON.stringify(text)} is no whole number`);
  }
  const exact = BigInt(text.replace(/^\+/, ""));
  if (exact < range.minimum || exact > range.maximum) {
    throw new RunletError("ERR_RUNLET_USAGE", `${text} is not within ${range.minimum} and ${range.maximum}`);
  }
  const rounded = Number(exact);
  return Number.isSafeInteger(rounded) ? rounded : exact;
}
