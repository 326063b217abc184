import { quote } from "@runlet/errors";
import type { MountAttribute, PropagationFlag } from "./kernel.ts";
import type {
  Descriptor,
  IdMapping,
  Mount,
  MountAttributes,
  MountOption,
  MountSource,
  Operation,
  OperationName,
} from "./operation.ts";

type Describers = {
  readonly [Name in OperationName]: (operation: Extract<Operation, { op: Name }>) => string;
};

const describers: Describers = {
  createCgroup: ({ driver, path, writes }) =>
    `${driver} ${word(path)}${writes.length > 0 ? `, ${count(writes.length, "write")}` : ""}`,
  createIntelRdtGroup: ({ hostPath, monitoringHostPath, writes }) =>
    join(
      word(hostPath),
      monitoringHostPath !== null && `monitored by ${word(monitoringHostPath)}`,
      writes.length > 0 && count(writes.length, "write"),
    ),
  joinIntelRdtGroup: ({ hostPath, monitoringHostPath }) => word(monitoringHostPath ?? hostPath),
  clone: ({ namespaces, intoCgroup }) => [...namespaces, ...(intoCgroup ? ["into cgroup"] : [])].join(" "),
  writeIdMappings: ({ uidMappings, gidMappings, setgroups, method }) =>
    join(
      `uid ${maps(uidMappings)}`,
      `gid ${maps(gidMappings)}`,
      setgroups && `setgroups ${setgroups}`,
      method !== "direct" && method,
    ),
  hook: ({ kind, index, path, timeoutMs }) =>
    join(`${kind} #${index} ${word(path)}`, timeoutMs !== null && `timeout ${timeoutMs} ms`),
  moveNetDevice: ({ hostName, name }) => (hostName === name ? word(name) : `${word(hostName)} as ${word(name)}`),
  joinNamespace: ({ type, slot }) => `${type} (descriptor ${slot})`,
  unshare: ({ namespaces }) => namespaces.join(" "),
  setTimeOffset: ({ clock, secs, nanosecs }) => `${clock} ${secs} s ${nanosecs} ns`,
  fork: () => "",
  joinCgroup: ({ slots }) => `(${count(slots.length, "descriptor")})`,
  clearGroups: () => "",
  becomeRoot: ({ uid, gid }) => (uid === 0 && gid === 0 ? "" : `${uid}:${gid}`),
  setRootPropagation: ({ propagation }) => propagationWord(propagation),
  bindRoot: ({ hostPath }) => word(hostPath),
  openRoot: ({ hostPath }) => word(hostPath),
  joinRoot: ({ slot }) => (slot === null ? "" : `(descriptor ${slot})`),
  mount: describeMount,
  remount: ({ containerPath, attributes, recursiveAttributes, propagation }) =>
    join(word(containerPath), changes(attributes, ""), changes(recursiveAttributes, "r"), propagationWord(propagation)),
  makeDevice: ({ containerPath, type, major, minor, mode, uid, gid, bind }) =>
    join(
      type === "p" ? `${word(containerPath)} p` : `${word(containerPath)} ${type} ${major}:${minor}`,
      octal(mode),
      (uid !== 0 || gid !== 0) && `${uid}:${gid}`,
      bind && "bound",
    ),
  symlink: ({ containerPath, target }) => `${word(containerPath)} -> ${word(target)}`,
  makeDirectory: ({ containerPath }) => word(containerPath),
  openConsole: ({ height, width, bind }) =>
    join(bind && "bound over /dev/console", height > 0 && `${height} rows`, width > 0 && `${width} columns`),
  maskPath: ({ containerPath }) => word(containerPath),
  makePathReadonly: ({ containerPath }) => word(containerPath),
  enterRoot: ({ method }) => method,
  setRootReadonly: () => "",
  setPropagation: ({ propagation }) => propagationWord(propagation),
  setHostname: ({ hostname }) => word(hostname),
  setDomainname: ({ domainname }) => word(domainname),
  setSysctl: ({ name, value }) => `${word(name)}=${word(value)}`,
  bringUpLoopback: () => "lo",
  setOomScoreAdj: ({ value }) => String(value),
  joinSessionKeyring: ({ name, grantSearch }) => join(word(name), grantSearch && "searchable"),
  newSession: () => "",
  raiseRlimit: ({ name, hard }) => `${name} ${limit(hard)}`,
  setRlimit: ({ name, soft, hard }) => `${name} ${limit(soft)}:${limit(hard)}`,
  setNoNewPrivileges: () => "",
  setPersonality: ({ domain }) => domain,
  setScheduler: ({ policy, flags, nice, priority, runtime, deadline, period }) =>
    join(
      `policy ${policy}`,
      flags !== 0 && `flags ${hexadecimal(flags)}`,
      nice !== 0 && `nice ${nice}`,
      priority !== 0 && `priority ${priority}`,
      runtime > 0n && `${runtime}/${deadline}/${period} ns`,
    ),
  setIoPriority: (operation) => `class ${operation.class} priority ${operation.priority}`,
  setMemoryPolicy: ({ mode, nodes }) => join(`mode ${hexadecimal(mode)}`, nodes.length > 0 && `nodes ${mask(nodes)}`),
  setAffinity: ({ cpus }) => mask(cpus),
  setLabel: ({ attribute, value }) => `${attribute} ${word(value)}`,
  setUser: ({ uid, gid, additionalGids, umask }) =>
    join(
      `${uid}:${gid}`,
      additionalGids === null
        ? "groups as they are"
        : additionalGids.length > 0 && `groups ${additionalGids.join(",")}`,
      umask !== null && `umask ${octal(umask)}`,
    ),
  dropBoundingCapabilities: ({ keep }) => (keep.length === 0 ? "all" : `all but ${keep.join(" ")}`),
  setCapabilities: ({ effective, permitted, inheritable, ambient }) =>
    `effective ${effective.length}, permitted ${permitted.length}, inheritable ${inheritable.length}, ambient ${ambient.length}`,
  setWorkingDirectory: ({ containerPath, mayFail }) => join(word(containerPath), mayFail === true && "if permitted"),
  loadSeccomp: ({ filter, flags, listener }) =>
    join(
      count(filter.length / 8, "instruction"),
      flags !== 0 && `flags ${hexadecimal(flags)}`,
      listener && "with a listener",
    ),
  findExecutable: ({ name }) => word(name),
  lookUpHome: ({ uid }) => `uid ${uid}`,
  awaitStart: ({ slot }) => `(descriptor ${slot})`,
  exec: ({ args }) => args.map(word).join(" "),
};

/** The arguments of an operation in a few words, for a person. */
export function describeOperation(operation: Operation): string {
  const describe = describers[operation.op] as (operation: Operation) => string;
  return describe(operation);
}

/** What a descriptor is, in a few words. */
export function describeDescriptor(descriptor: Descriptor): string {
  switch (descriptor.kind) {
    case "namespace":
      return `${descriptor.type} namespace ${word(descriptor.hostPath)}`;
    case "cgroupProcs":
      return descriptor.controller === "" ? "cgroup.procs" : `tasks of ${descriptor.controller}`;
    case "startSocket":
      return "start socket";
    case "root":
      return `root ${word(descriptor.hostPath)}`;
    case "idmap":
      return `id map, uid ${maps(descriptor.uidMappings)}, gid ${maps(descriptor.gidMappings)}`;
    case "tree":
      return `${descriptor.recursive ? "tree" : "mount"} ${word(descriptor.hostPath)}`;
    case "filesystem":
      return `new ${join(filesystemWords(descriptor), optionWords(descriptor.options))}`;
  }
}

function describeMount(mount: Mount): string {
  return join(
    `${sourceWords(mount.source)} on ${word(mount.containerPath)}`,
    changes(mount.attributes, ""),
    changes(mount.recursiveAttributes, "r"),
    mount.source.kind === "filesystem" && optionWords(mount.source.options),
    mount.source.kind === "filesystem" && layerWords(mount.source.layerHostPaths ?? []),
    propagationWord(mount.propagation),
    mount.idmapSlot !== null && `${mount.idmapRecursive ? "ridmap" : "idmap"} (descriptor ${mount.idmapSlot})`,
    mount.copyUp && "tmpcopyup",
  );
}

function sourceWords(source: MountSource): string {
  switch (source.kind) {
    case "filesystem":
      return filesystemWords(source);
    case "bind":
      return `${source.recursive ? "rbind" : "bind"} ${word(source.hostPath)}`;
    case "descriptor":
      return `descriptor ${source.slot}`;
  }
}

function filesystemWords({ type, source }: { readonly type: string; readonly source: string | null }): string {
  return source === null || source === type ? type : `${type} ${word(source)}`;
}

function layerWords(layerHostPaths: readonly string[]): string {
  return layerHostPaths.length === 0 ? "" : `lowerdir=${layerHostPaths.map(word).join(":")} by descriptor`;
}

function optionWords(options: readonly MountOption[]): string {
  return options.map(({ key, value }) => word(value === null ? key : `${key}=${value}`)).join(",");
}

/** Attributes in the words of mount options: what is cleared without being set again has a minus in front. */
function changes({ set, clear }: MountAttributes, prefix: "" | "r"): string {
  const added = set.map((attribute) => `${prefix}${attributeWord(attribute)}`);
  const removed = clear
    .filter((attribute) => attribute !== "MOUNT_ATTR__ATIME")
    .map((attribute) => `-${prefix}${attributeWord(attribute)}`);
  return [...added, ...removed].join(",");
}

function attributeWord(attribute: MountAttribute): string {
  const name = attribute.slice("MOUNT_ATTR_".length).toLowerCase();
  return name === "rdonly" ? "ro" : name;
}

function propagationWord(propagation: readonly PropagationFlag[]): string {
  const prefix = propagation.includes("MS_REC") ? "r" : "";
  return propagation
    .filter((flag) => flag !== "MS_REC")
    .map((flag) => prefix + flag.slice("MS_".length).toLowerCase())
    .join(",");
}

/** Parts that are there, with commas between. */
function join(...parts: readonly (string | false | null)[]): string {
  return parts.filter((part) => part !== false && part !== null && part !== "").join(", ");
}

/** Text of the config as a word: quoted where it would be read as more or less than one. */
function word(text: string): string {
  return /^[\w@%+=:,./~-]+$/.test(text) ? text : quote(text);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function maps(mappings: readonly IdMapping[]): string {
  return mappings.map(({ containerID, hostID, size }) => `${containerID}:${hostID}:${size}`).join(",");
}

function limit(value: bigint): string {
  return value === 0xffff_ffff_ffff_ffffn ? "unlimited" : String(value);
}

function octal(mode: number): string {
  return `0${mode.toString(8)}`;
}

function hexadecimal(number: number): string {
  return `0x${number.toString(16)}`;
}

function mask(words: readonly bigint[]): string {
  return `0x${words.reduceRight((number, part) => (number << 64n) | part, 0n).toString(16)}`;
}
