import { quote } from "@runlet/errors";
import {
  type LinuxIDMapping,
  type LinuxNamespace,
  type NamespaceType,
  type Spec,
  timeNamespaceClocks,
} from "@runlet/spec";
import type { Unsound } from "../issue.ts";
import { present, type Report, type Rule, repeated } from "../rule.ts";

type Config = Unsound<Spec>;
type Mapping = Unsound<LinuxIDMapping>;

/** Most lines of a map of a user namespace: `UID_GID_MAP_MAX_EXTENTS` of the kernel since 4.15, user_namespaces(7). */
const maximumMappings = 340;

/** Most bytes of a map, which is written in one write(2) of less than a page, user_namespaces(7). */
const maximumMapBytes = 4095;

/** Longest host or domain name: `__NEW_UTS_LEN`, sethostname(2). */
const maximumHostnameBytes = 64;

/** Rules about namespaces and what they are needed for. */
export const namespaceRules: readonly Rule[] = [
  {
    id: "namespaces.unique",
    spec: "config-linux.md#namespaces",
    check({ linux }, report) {
      for (const { index, key, first } of repeated(present(linux?.namespaces), ({ type }) => type)) {
        report({
          at: ["linux", "namespaces", index],
          message: `the ${key} namespace is there already, at /linux/namespaces/${first}`,
        });
      }
    },
  },
  {
    id: "namespaces.path",
    spec: "config-linux.md#namespaces",
    check({ linux }, report) {
      for (const [index, { path }] of present(linux?.namespaces)) {
        // An empty path is what Go programs write for none.
        if (path === undefined || path === "" || path.startsWith("/")) continue;
        report({ at: ["linux", "namespaces", index, "path"], message: `the path ${quote(path)} is not absolute` });
      }
    },
  },
  {
    id: "hostname.utsNamespace",
    spec: "config.md#hostname",
    check(config, report) {
      if (!isNamed(config.hostname) || findNamespace(config, "uts") !== undefined) return;
      report({ at: ["hostname"], message: "a hostname needs a uts namespace", hint: addNamespace("uts") });
    },
  },
  {
    id: "domainname.utsNamespace",
    spec: "config.md#domainname",
    check(config, report) {
      if (!isNamed(config.domainname) || findNamespace(config, "uts") !== undefined) return;
      report({ at: ["domainname"], message: "a domainname needs a uts namespace", hint: addNamespace("uts") });
    },
  },
  {
    id: "hostname.length",
    spec: "config.md#hostname",
    check(config, report) {
      for (const field of ["hostname", "domainname"] as const) {
        const bytes = new TextEncoder().encode(config[field] ?? "").length;
        if (bytes <= maximumHostnameBytes) continue;
        report({ at: [field], message: `the ${field} has ${bytes} bytes, the kernel takes ${maximumHostnameBytes}` });
      }
    },
  },
  {
    id: "userNamespace.required",
    spec: "config-linux.md#user-namespace-mappings",
    check(config, report) {
      if (findNamespace(config, "user") !== undefined) return;
      for (const field of ["uidMappings", "gidMappings"] as const) {
        if ((config.linux?.[field]?.length ?? 0) === 0) continue;
        report({ at: ["linux", field], message: `${field} need a user namespace`, hint: addNamespace("user") });
      }
    },
  },
  {
    id: "userNamespace.mappings",
    spec: "config-linux.md#user-namespace-mappings",
    check(config, report) {
      const user = findNamespace(config, "user");
      if (user === undefined || isJoined(user.namespace)) return;
      for (const field of ["uidMappings", "gidMappings"] as const) {
        if ((config.linux?.[field]?.length ?? 0) > 0) continue;
        report({
          at: ["linux", "namespaces", user.index],
          message: `a new user namespace needs ${field}: without them every id in it is the overflow id`,
        });
      }
    },
  },
  {
    id: "idMappings.valid",
    spec: "config-linux.md#user-namespace-mappings",
    check({ linux }, report) {
      for (const field of ["uidMappings", "gidMappings"] as const) {
        for (const found of checkIdMappings(linux?.[field], ["linux", field])) report(found);
      }
    },
  },
  {
    id: "process.userMapped",
    spec: "config.md#user",
    check(config, report) {
      const user = findNamespace(config, "user");
      if (user === undefined || isJoined(user.namespace)) return;
      const { uid, gid, additionalGids } = config.process?.user ?? {};
      const { uidMappings, gidMappings } = config.linux ?? {};
      const ids = [
        { at: ["uid"], id: uid, mappings: uidMappings },
        { at: ["gid"], id: gid, mappings: gidMappings },
        ...[...present(additionalGids)].map(([index, id]) => ({
          at: ["additionalGids", index],
          id,
          mappings: gidMappings,
        })),
      ];
      for (const { at, id, mappings } of ids) {
        if (id === undefined || mappings === undefined || mappings.length === 0 || isMapped(id, mappings)) continue;
        report({
          at: ["process", "user", ...at],
          message: `the id ${id} is not mapped in the container's user namespace`,
          hint: "map it in /linux/uidMappings or /linux/gidMappings",
        });
      }
    },
  },
  {
    id: "timeOffsets.timeNamespace",
    spec: "config-linux.md#offset-for-time-namespace",
    check(config, report) {
      if (Object.keys(config.linux?.timeOffsets ?? {}).length === 0) return;
      const time = findNamespace(config, "time");
      if (time === undefined) {
        report({
          at: ["linux", "timeOffsets"],
          message: "timeOffsets need a time namespace",
          hint: addNamespace("time"),
        });
      } else if (isJoined(time.namespace)) {
        report({
          at: ["linux", "timeOffsets"],
          message: "timeOffsets cannot be set in a time namespace that is joined",
        });
      }
    },
  },
  {
    id: "timeOffsets.nanosecs",
    spec: "config-linux.md#offset-for-time-namespace",
    check({ linux }, report) {
      for (const clock of timeNamespaceClocks) {
        const offset = linux?.timeOffsets?.[clock];
        if (offset?.nanosecs === undefined || offset.nanosecs <= 999_999_999) continue;
        report({
          at: ["linux", "timeOffsets", clock, "nanosecs"],
          message: `${offset.nanosecs} nanoseconds are a second or more`,
        });
      }
    },
  },
  {
    id: "paths.mountNamespace",
    spec: "config-linux.md#masked-paths",
    check(config, report) {
      if (findNamespace(config, "mount") !== undefined) return;
      for (const field of ["maskedPaths", "readonlyPaths"] as const) {
        if ((config.linux?.[field]?.length ?? 0) === 0) continue;
        report({
          at: ["linux", field],
          message: `without a mount namespace ${field} would cover the host's paths`,
          hint: addNamespace("mount"),
        });
      }
    },
  },
];

/** @returns what is wrong with a list of mappings, user_namespaces(7). */
export function checkIdMappings(
  mappings: readonly (Mapping | undefined)[] = [],
  at: readonly (string | number)[] = [],
): readonly Report[] {
  const reports: Report[] = [];
  if (mappings.length > maximumMappings) {
    reports.push({ at, message: `there are ${mappings.length} mappings, the kernel takes ${maximumMappings}` });
  }
  const bytes = mapBytes(mappings);
  if (mappings.length <= maximumMappings && bytes > maximumMapBytes) {
    reports.push({
      at,
      message: `the mappings take ${bytes} bytes as the kernel wants them, and it takes ${maximumMapBytes}`,
      hint: "map fewer and longer ranges",
    });
  }
  for (const [index, { containerID = 0, hostID = 0, size }] of present(mappings)) {
    if (size === 0) reports.push({ at: [...at, index, "size"], message: "a mapping of no ids maps nothing" });
    if (size !== undefined && Math.max(containerID, hostID) + size > 2 ** 32 - 1) {
      reports.push({ at: [...at, index], message: "the mapping goes beyond the highest id, 4294967294" });
    }
  }
  for (const side of ["containerID", "hostID"] as const) reports.push(...checkOverlaps(mappings, { at, side }));
  return reports;
}

/** Length of the lines that are written to uid_map or gid_map: three numbers, each with a blank or a line break. */
function mapBytes(mappings: readonly (Mapping | undefined)[]): number {
  let bytes = 0;
  for (const [, { containerID = 0, hostID = 0, size = 0 }] of present(mappings)) {
    bytes += `${containerID} ${hostID} ${size}\n`.length;
  }
  return bytes;
}

function checkOverlaps(
  mappings: readonly (Mapping | undefined)[],
  { at, side }: { readonly at: readonly (string | number)[]; readonly side: "containerID" | "hostID" },
): Report[] {
  const ranges = present(mappings)
    .flatMap(([index, mapping]) => {
      const first = mapping[side];
      return first === undefined || mapping.size === undefined ? [] : [{ index, first, end: first + mapping.size }];
    })
    .sort((left, right) => left.first - right.first || left.index - right.index);
  const reports: Report[] = [];
  let furthest = ranges[0];
  for (const range of ranges.slice(1)) {
    if (furthest !== undefined && range.first < furthest.end) {
      const whose = side === "hostID" ? "host" : "container";
      const [earlier, later] = [Math.min(range.index, furthest.index), Math.max(range.index, furthest.index)];
      const message = `ids of the ${whose} overlap with those of entry ${earlier}, which the kernel refuses`;
      reports.push({ at: [...at, later], message });
    }
    if (furthest === undefined || range.end > furthest.end) furthest = range;
  }
  return reports;
}

/** @returns the config's first namespace of a type. */
export function findNamespace(
  { linux }: Config,
  type: NamespaceType,
): { readonly index: number; readonly namespace: Unsound<LinuxNamespace> } | undefined {
  for (const [index, namespace] of present(linux?.namespaces)) if (namespace.type === type) return { index, namespace };
  return undefined;
}

/** Whether a namespace exists already and is joined. */
function isJoined(namespace: Unsound<LinuxNamespace>): boolean {
  return namespace.path !== undefined && namespace.path !== "";
}

/** The hint that names what to add. */
export function addNamespace(type: NamespaceType): string {
  return `add {"type": "${type}"} to /linux/namespaces`;
}

function isNamed(name: string | undefined): boolean {
  return name !== undefined && name !== "";
}

function isMapped(id: number, mappings: readonly (Mapping | undefined)[]): boolean {
  for (const [, { containerID, size }] of present(mappings)) {
    // What is incomplete is reported as such; it may have meant this id.
    if (containerID === undefined || size === undefined) return true;
    if (id >= containerID && id < containerID + size) return true;
  }
  return mappings.includes(undefined);
}
