/** @returns the JSON Pointer (RFC 6901) of the path: `/linux/sysctl/net.ipv4.ip_forward`. */
export function joinPointer(path: readonly (string | number)[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** @returns the names and indices of a JSON Pointer, unescaped. */
export function splitPointer(pointer: string): string[] {
  if (pointer === "") return [];
  return pointer
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}
