import { addUserNamespace, type Fixture, mapAll, setOptions, without } from "./example.ts";

/** What the rules about namespaces, mappings and mounts find, each alone. */
export const namespacesFixtures: readonly Fixture[] = [
  ["root.required", "", "error", (spec) => Reflect.deleteProperty(spec, "root")],
  ["root.path", "/root/path", "error", (spec) => (spec.root.path = "")],
  [
    "mounts.destination",
    "/mounts/7/destination",
    "error",
    (spec) => spec.mounts.push({ destination: "data", type: "tmpfs" }),
  ],
  ["mounts.source", "/mounts/7", "error", (spec) => spec.mounts.push({ destination: "/data", options: ["rbind"] })],
  ["mounts.type", "/mounts/7", "error", (spec) => spec.mounts.push({ destination: "/data", source: "/data" })],
  [
    "mounts.type",
    "/mounts/7/type",
    "error",
    (spec) => spec.mounts.push({ destination: "/data", source: "/data", type: "bind" }),
  ],
  [
    "mounts.idMappings",
    "/mounts/7/uidMappings",
    "error",
    (spec) => spec.mounts.push({ destination: "/data", source: "/data", options: ["bind"], uidMappings: mapAll }),
  ],
  [
    "mounts.idMappings",
    "/mounts/7/gidMappings/0/size",
    "error",
    (spec) =>
      spec.mounts.push({
        destination: "/d",
        source: "/d",
        options: ["bind"],
        uidMappings: mapAll,
        gidMappings: [{ containerID: 0, hostID: 0, size: 0 }],
      }),
  ],
  ["mounts.idmap", "/mounts/7/options/1", "error", (spec) => setOptions(spec, ["bind", "ridmap"])],
  ["namespaces.unique", "/linux/namespaces/5", "error", (spec) => spec.linux.namespaces.push({ type: "pid" })],
  [
    "namespaces.path",
    "/linux/namespaces/5/path",
    "error",
    (spec) => spec.linux.namespaces.push({ type: "cgroup", path: "run/ns" }),
  ],
  ["hostname.utsNamespace", "/hostname", "error", (spec) => without(spec, "uts")],
  [
    "domainname.utsNamespace",
    "/domainname",
    "error",
    (spec) => {
      without(spec, "uts");
      Object.assign(spec, { hostname: "", domainname: "example.org" });
    },
  ],
  ["hostname.length", "/hostname", "error", (spec) => (spec.hostname = "é".repeat(33))],
  ["userNamespace.required", "/linux/uidMappings", "error", (spec) => (spec.linux.uidMappings = mapAll)],
  [
    "userNamespace.mappings",
    "/linux/namespaces/5",
    "error",
    (spec) => {
      spec.linux.namespaces.push({ type: "user" });
      spec.linux.uidMappings = mapAll;
    },
  ],
  [
    "idMappings.valid",
    "/linux/uidMappings/1",
    "error",
    (spec) => addUserNamespace(spec, [...mapAll, { containerID: 65_535, hostID: 5, size: 2 }]),
  ],
  [
    "idMappings.valid",
    "/linux/uidMappings/1",
    "error",
    (spec) => addUserNamespace(spec, [...mapAll, { containerID: 70_000, hostID: 99_999, size: 2 }]),
  ],
  [
    "idMappings.valid",
    "/linux/uidMappings/1",
    "error",
    (spec) => addUserNamespace(spec, [...mapAll, { containerID: 4_294_967_000, hostID: 5, size: 296 }]),
  ],
  [
    "idMappings.valid",
    "/linux/uidMappings",
    "error",
    (spec) =>
      addUserNamespace(
        spec,
        Array.from({ length: 341 }, (_, index) => ({ containerID: index, hostID: 1000 + index, size: 1 })),
      ),
  ],
  [
    "idMappings.valid",
    "/linux/uidMappings",
    "error",
    (spec) =>
      addUserNamespace(
        spec,
        Array.from({ length: 300 }, (_, index) => ({ containerID: index, hostID: 1_000_000_000 + index, size: 1 })),
      ),
  ],
  [
    "timeOffsets.timeNamespace",
    "/linux/timeOffsets",
    "error",
    (spec) => (spec.linux.timeOffsets = { boottime: { secs: 1 } }),
  ],
  [
    "timeOffsets.timeNamespace",
    "/linux/timeOffsets",
    "error",
    (spec) => {
      spec.linux.namespaces.push({ type: "time", path: "/proc/1/ns/time" });
      spec.linux.timeOffsets = { boottime: { secs: 1 } };
    },
  ],
  [
    "timeOffsets.nanosecs",
    "/linux/timeOffsets/monotonic/nanosecs",
    "error",
    (spec) => {
      spec.linux.namespaces.push({ type: "time" });
      spec.linux.timeOffsets = { monotonic: { nanosecs: 1_000_000_000 } };
    },
  ],
];
