import { defaultSpec, type LinuxIDMapping, type NamespaceType, type Spec } from "@runlet/spec";
import { type Issue, validateSpec } from "../../src/index.ts";

/** A default config with every section there to be changed. */
function exampleSpec() {
  const spec = defaultSpec();
  const { process, linux, mounts = [], root } = spec;
  if (process === undefined || linux === undefined || root === undefined) throw new Error("the default has them");
  return { ...spec, process, linux: { ...linux, resources: {}, namespaces: linux.namespaces ?? [] }, mounts, root };
}

/** A config with every section there to be changed. */
export type Example = Omit<ReturnType<typeof exampleSpec>, "linux" | "process"> & {
  linux: NonNullable<Spec["linux"]> & {
    resources: NonNullable<NonNullable<Spec["linux"]>["resources"]>;
    namespaces: NonNullable<NonNullable<Spec["linux"]>["namespaces"]>;
  };
  process: NonNullable<Spec["process"]>;
};

/** The issues of a default config after a change. */
export function issuesAfter(change: (spec: Example) => void): readonly Issue[] {
  const spec: Example = exampleSpec();
  change(spec);
  return validateSpec(spec).issues;
}

/** Takes a namespace out. */
export const without = (spec: Example, type: NamespaceType) => {
  spec.linux.namespaces = spec.linux.namespaces.filter((namespace) => namespace.type !== type);
};
/** Mappings as engines write them. */
export const mapAll: LinuxIDMapping[] = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
/** Adds a new user namespace. */
export const addUserNamespace = (spec: Example, mappings: LinuxIDMapping[] = mapAll) => {
  spec.linux.namespaces.push({ type: "user" });
  spec.linux.uidMappings = mappings;
  spec.linux.gidMappings = mapAll;
};
/** Adds a mount with options. */
export const setOptions = (spec: Example, options: string[]) => {
  spec.mounts.push({ destination: "/data", type: "none", source: "/data", options });
};
/** Sets the capabilities, and no others. */
export const setCapabilities = (spec: Example, capabilities: NonNullable<Example["process"]["capabilities"]>) => {
  spec.process.capabilities = capabilities;
};
/** A device node. */
export const character = { type: "c", path: "/dev/fuse", major: 10, minor: 229 } as const;

/** A change, and the one issue that comes of it. */
export type Fixture = readonly [
  rule: string,
  pointer: string,
  severity: Issue["severity"],
  change: (spec: Example) => void,
];
