import { readFileSync } from "node:fs";
import { quote, RunletError } from "@runlet/errors";
import type { Descriptor, Platform } from "@runlet/spec";

/** Node's words for architectures in Go's, which images use. */
const architectures: Readonly<Record<string, string>> = {
  x64: "amd64",
  ia32: "386",
  ppc64: "ppc64le",
  loong64: "loong64",
};
/** Other spellings that people and old images use. */
const aliases: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  x86_64: ["amd64"],
  "x86-64": ["amd64"],
  aarch64: ["arm64"],
  armhf: ["arm", "v7"],
  armel: ["arm", "v6"],
  i386: ["386"],
  i686: ["386"],
};

/** The x86-64 levels, by the flags of /proc/cpuinfo that each adds. */
const amd64Levels = [
  ["v2", "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"],
  ["v3", "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"],
  ["v4", "avx512f avx512bw avx512cd avx512dq avx512vl"],
] as const;

/** What this machine runs, with the level or version of its processor. */
export function hostPlatform(): Platform {
  const architecture = architectures[process.arch] ?? process.arch;
  const variant = hostVariant(architecture);
  return { os: "linux", architecture, ...(variant === undefined ? {} : { variant }) };
}

function hostVariant(architecture: string): string | undefined {
  if (architecture === "arm64") return "v8";
  if (architecture === "arm") {
    const { arm_version: version } = process.config.variables as { arm_version?: unknown };
    return `v${version ?? 7}`;
  }
  return architecture === "amd64" ? amd64Level() : undefined;
}

function amd64Level(): string {
  let level = "v1";
  let cpuinfo: string;
  try {
    cpuinfo = readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return level;
  }
  const flags = new Set((/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1] ?? "").trim().split(" "));
  for (const [name, needed] of amd64Levels) {
    if (!needed.split(" ").every((flag) => flags.has(flag))) break;
    level = name;
  }
  return level;
}

/**
 * Reads `os/architecture[/variant]`, or an architecture alone, as `--platform` takes it.
 *
 * @throws RunletError `ERR_RUNLET_USAGE`
 */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split("/");
  const isPlain = parts.length <= 3 && parts.every((part) => /^[a-z0-9][a-z0-9_.-]*$/.test(part));
  if (!isPlain)
    throw new RunletError("ERR_RUNLET_USAGE", `invalid platform ${quote(text)}`, {
      hint: "write it as linux/amd64 or linux/arm/v7",
    });
  const [os = "", architecture = "", variant] = parts.length === 1 ? ["linux", ...parts] : parts;
  return normalize({ os, architecture, ...(variant === undefined ? {} : { variant }) });
}

/** `linux/arm/v7`. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return `${os}/${architecture}${variant === undefined || variant === "" ? "" : `/${variant}`}`;
}

function normalize(platform: Platform): Platform {
  const { architecture, variant = "", os } = platform;
  const [name, implied] = aliases[architecture.toLowerCase()] ?? [architecture.toLowerCase()];
  const effective = variant === "" ? implied : /^\d/.test(variant) ? `v${variant}` : variant;
  return { os: os.toLowerCase(), architecture: name, ...(effective === undefined ? {} : { variant: effective }) };
}

/** The variant of an image that names none. */
const defaultVariants: Readonly<Record<string, string>> = { amd64: "v1", arm: "v7", arm64: "v8" };
/** Variants that a processor of a variant also runs, best first. */
const variantOrder: Readonly<Record<string, readonly string[]>> = {
  amd64: ["v4", "v3", "v2", "v1"],
  arm: ["v8", "v7", "v6", "v5"],
};

/**
 * How well an image suits a platform: 0 is exactly it, more is what a processor also runs, undefined what it does not.
 *
 * @param wanted - without a variant, that of the least processor of its architecture.
 */
export function rankPlatform(offered: Platform, wanted: Platform): number | undefined {
  const image = normalize(offered);
  const machine = normalize(wanted);
  if (image.os !== machine.os || image.architecture !== machine.architecture) return undefined;
  const { architecture } = machine;
  const imageVariant = image.variant ?? defaultVariants[architecture] ?? "";
  const machineVariant = machine.variant ?? defaultVariants[architecture] ?? "";
  if (imageVariant === machineVariant) return 0;
  const order = variantOrder[architecture];
  if (order === undefined) return architecture === "arm64" ? rankArm64(imageVariant, machineVariant) : undefined;
  const from = order.indexOf(machineVariant);
  const at = order.indexOf(imageVariant);
  return from < 0 || at < from ? undefined : at - from;
}

/** `v8`, `v8.2`, `v9`: a processor runs what is no newer than itself; `v9` is `v8.5` and more. */
function rankArm64(image: string, machine: string): number | undefined {
  const level = (variant: string) => {
    const match = /^v(\d+)(?:\.(\d+))?$/.exec(variant);
    if (match === null) return undefined;
    const minor = Number(match[2] ?? 0);
    return match[1] === "9" ? 5 + minor : match[1] === "8" ? minor : undefined;
  };
  const from = level(machine);
  const at = level(image);
  return from === undefined || at === undefined || at > from ? undefined : from - at;
}

/**
 * Chooses from an index what suits a platform best; of equals the first, as the specification demands. Manifests that name
 * no platform count where nothing else suits, if there is but one.
 *
 * @param name - of the image, for the message.
 * @throws RunletError `ERR_RUNLET_IMAGE` if there is nothing for the platform, with those that there are.
 * @see OCI image specification, image-index.md
 */
export function choosePlatform(options: {
  manifests: readonly Descriptor[];
  platform: Platform;
  name: string;
}): Descriptor {
  const { manifests, platform, name } = options;
  let best: { descriptor: Descriptor; rank: number } | undefined;
  for (const descriptor of manifests) {
    const rank = descriptor.platform === undefined ? undefined : rankPlatform(descriptor.platform, platform);
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { descriptor, rank };
  }
  if (best !== undefined) return best.descriptor;
  const unnamed = manifests.filter((descriptor) => descriptor.platform === undefined);
  if (unnamed.length === 1 && unnamed[0] !== undefined) return unnamed[0];
  const offered = [...new Set(manifests.flatMap((item) => (item.platform ? [formatPlatform(item.platform)] : [])))];
  const real = offered.filter((item) => !item.startsWith("unknown/"));
  throw new RunletError("ERR_RUNLET_IMAGE", `${quote(name)} has no image for ${formatPlatform(platform)}`, {
    hint:
      real.length === 0
        ? "the index is empty or does not name platforms: ask for a manifest by its digest"
        : `choose one that it has: ${real.slice(0, 20).map(quote).join(", ").replaceAll('"', "")}`,
    details: { platforms: real },
  });
}
