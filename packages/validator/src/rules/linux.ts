import { quote } from "@runlet/errors";
import { parseNumberList } from "../number-list.ts";
import { present, presentMembers, type Rule, repeated } from "../rule.ts";
import { addNamespace, findNamespace } from "./namespaces.ts";

/** Longest name of a network device: `IFNAMSIZ` less the terminating zero. */
const maximumDeviceName = 15;

/** Rules about what else is particular to Linux. */
export const linuxRules: readonly Rule[] = [
  {
    id: "paths.absolute",
    spec: "config-linux.md#masked-paths",
    check({ linux }, report) {
      for (const field of ["maskedPaths", "readonlyPaths"] as const) {
        for (const [index, path] of present(linux?.[field])) {
          if (path.startsWith("/")) continue;
          report({ at: ["linux", field, index], message: `the path ${quote(path)} is not absolute` });
        }
      }
    },
  },
  {
    id: "cgroupsPath.climbs",
    spec: "config-linux.md#cgroups-path",
    check({ linux }, report) {
      const cgroupsPath = linux?.cgroupsPath;
      if (cgroupsPath === undefined || !cgroupsPath.split(/[/:]/).includes("..")) return;
      report({ at: ["linux", "cgroupsPath"], message: `the cgroup path ${quote(cgroupsPath)} climbs out with ".."` });
    },
  },
  {
    id: "personality.flags",
    spec: "config-linux.md#personality",
    check({ linux }, report) {
      for (const [index, flag] of present(linux?.personality?.flags)) {
        report({
          at: ["linux", "personality", "flags", index],
          message: `the specification has no flag of the personality, so not ${quote(flag)}`,
        });
      }
    },
  },
  {
    id: "memoryPolicy.nodes",
    spec: "config-linux.md#memory-policy",
    check({ linux }, report) {
      const { mode, nodes = "" } = linux?.memoryPolicy ?? {};
      const ranges = parseNumberList(nodes);
      const at = ["linux", "memoryPolicy"];
      if (ranges === undefined) {
        report({ at: [...at, "nodes"], message: `${quote(nodes)} is not a list of memory nodes like "0-3,7"` });
      } else if ((mode === "MPOL_DEFAULT" || mode === "MPOL_LOCAL") && ranges.length > 0) {
        report({ at: [...at, "nodes"], message: `${mode} takes no nodes` });
      } else if (mode !== undefined && modesWithNodes.has(mode) && ranges.length === 0) {
        report({ at, message: `${mode} needs nodes` });
      }
    },
  },
  {
    id: "memoryPolicy.flags",
    spec: "config-linux.md#memory-policy",
    check({ linux }, report) {
      const { mode, flags = [], nodes = "" } = linux?.memoryPolicy ?? {};
      const at = ["linux", "memoryPolicy", "flags"];
      if (flags.includes("MPOL_F_STATIC_NODES") && flags.includes("MPOL_F_RELATIVE_NODES")) {
        report({ at, message: "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other" });
      }
      for (const [index, flag] of present(flags)) {
        if (flag === "MPOL_F_NUMA_BALANCING") {
          if (mode === undefined || mode === "MPOL_BIND" || mode === "MPOL_PREFERRED_MANY") continue;
          report({ at: [...at, index], message: `${flag} is for MPOL_BIND and MPOL_PREFERRED_MANY, not for ${mode}` });
        } else if (mode === "MPOL_DEFAULT" || mode === "MPOL_LOCAL") {
          report({ at: [...at, index], message: `${mode} takes no flags` });
        } else if (mode === "MPOL_PREFERRED" && nodes.trim() === "") {
          report({ at: [...at, index], message: `${flag} needs nodes` });
        }
      }
    },
  },
  {
    id: "netDevices.networkNamespace",
    spec: "config-linux.md#network-devices",
    check(config, report) {
      if (Object.keys(config.linux?.netDevices ?? {}).length === 0) return;
      if (findNamespace(config, "network") !== undefined) return;
      report({
        at: ["linux", "netDevices"],
        message: "network devices need a network namespace to move to",
        hint: addNamespace("network"),
      });
    },
  },
  {
    id: "netDevices.name",
    spec: "config-linux.md#network-devices",
    check({ linux }, report) {
      const names: [number, { host: string; name: string }][] = [];
      for (const [host, device] of presentMembers(linux?.netDevices)) {
        const at = ["linux", "netDevices", host];
        const problem = deviceNameProblem(host);
        if (problem !== undefined) report({ at, message: problem, atKey: true });
        // An empty name is what Go programs write for none.
        const name = device.name === undefined || device.name === "" ? host : device.name;
        names.push([names.length, { host, name }]);
        const nameProblem = name === host ? undefined : deviceNameProblem(name);
        if (nameProblem !== undefined) report({ at: [...at, "name"], message: nameProblem });
      }
      // Each device that takes a template's name gets a number of its own.
      const plain = names.filter(([, { name }]) => !name.includes("%d"));
      for (const { entry, key } of repeated(plain, ({ name }) => name)) {
        report({ at: ["linux", "netDevices", entry.host], message: `another device takes the name ${quote(key)}` });
      }
    },
  },
  {
    id: "intelRdt.closID",
    spec: "config-linux.md#intelrdt",
    check({ linux }, report) {
      const closID = linux?.intelRdt?.closID;
      // "/" is the default class.
      if (closID === undefined || closID === "/") return;
      if (closID !== "." && closID !== ".." && !/[/\n]/.test(closID)) return;
      report({ at: ["linux", "intelRdt", "closID"], message: `${quote(closID)} is not the name of a directory` });
    },
  },
  {
    id: "intelRdt.schema",
    spec: "config-linux.md#intelrdt",
    check({ linux }, report) {
      const { l3CacheSchema, memBwSchema, schemata } = linux?.intelRdt ?? {};
      const at = ["linux", "intelRdt"];
      if (memBwSchema !== undefined && memBwSchema !== "" && !/^MB:[^\n]*$/.test(memBwSchema)) {
        report({ at: [...at, "memBwSchema"], message: 'the schema must be one line that starts with "MB:"' });
      }
      if (l3CacheSchema !== undefined && l3CacheSchema !== "" && !/^L3:[^\n]*$/.test(l3CacheSchema)) {
        report({
          at: [...at, "l3CacheSchema"],
          message: 'the schema should be one line that starts with "L3:"',
          severity: "warning",
        });
      }
      for (const [index, line] of present(schemata)) {
        if (line.includes("\n")) report({ at: [...at, "schemata", index], message: "the schema must be one line" });
      }
    },
  },
];

const modesWithNodes: ReadonlySet<string> = new Set([
  "MPOL_BIND",
  "MPOL_INTERLEAVE",
  "MPOL_WEIGHTED_INTERLEAVE",
  "MPOL_PREFERRED_MANY",
]);

/** @returns why the kernel would not take a name, as `dev_valid_name` has it. */
function deviceNameProblem(name: string): string | undefined {
  if (name === "" || name === "." || name === "..") return `${quote(name)} is not a name of a network device`;
  if (/[/:\s]/.test(name)) return `${quote(name)} has a character that names of network devices cannot have`;
  const bytes = new TextEncoder().encode(name).length;
  if (bytes > maximumDeviceName)
    return `${quote(name)} has ${bytes} bytes, names of network devices ${maximumDeviceName} at most`;
  return undefined;
}
