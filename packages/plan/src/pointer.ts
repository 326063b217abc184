/** A JSON Pointer (RFC 6901) to a place in the config: `pointerTo("mounts", 3)` is `/mounts/3`. */
export function pointerTo(...tokens: readonly (string | number)[]): string {
  return tokens.map((token) => `/${String(token).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** Where the specification implies an operation that no entry of the config asks for. */
export const specRules = {
  cgroupsPath: "spec:config-linux.md#cgroups-path",
  defaultDevices: "spec:config-linux.md#default-devices",
  defaultFilesystems: "spec:config-linux.md#default-filesystems",
  devSymbolicLinks: "spec:config-linux.md#dev-symbolic-links",
  lifecycle: "spec:runtime.md#lifecycle",
  linuxProcess: "spec:config.md#linux-process",
  namespaces: "spec:config-linux.md#namespaces",
  process: "spec:config.md#process",
  rootfsPropagation: "spec:config-linux.md#rootfs-mount-propagation",
  start: "spec:runtime.md#start",
} as const;
