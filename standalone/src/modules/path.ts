/** node:path of POSIX systems, as far as the command uses it. */

export const delimiter = ":";

/** Resolves `.` and `..`; those that lead out of an absolute path are dropped, and those of a relative one kept. */
function simplify(path: string, isPathAbsolute: boolean): string {
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") kept.push(part);
    else if (kept.length > 0 && kept[kept.length - 1] !== "..") kept.pop();
    else if (!isPathAbsolute) kept.push(part);
  }
  return kept.join("/");
}

/** Whether `normalize` would find nothing to do in an absolute path, so that most are taken as they are. */
function isSimple(path: string): boolean {
  return path.startsWith("/") && !path.includes("//") && !path.includes("/.");
}

export function normalize(path: string): string {
  if (path === "") return ".";
  if (isSimple(path)) return path;
  const isPathAbsolute = path.startsWith("/");
  const simple = simplify(path, isPathAbsolute);
  const end = path.endsWith("/") ? "/" : "";
  if (simple === "") return isPathAbsolute ? "/" : `.${end}`;
  return `${isPathAbsolute ? "/" : ""}${simple}${end}`;
}

export function isAbsolute(path: string): boolean {
  return path.startsWith("/");
}

export function join(...paths: string[]): string {
  let joined = "";
  for (const path of paths) if (path !== "") joined = joined === "" ? path : `${joined}/${path}`;
  return normalize(joined);
}

export function resolve(...paths: string[]): string {
  let resolved = "";
  for (let index = paths.length - 1; index >= 0 && !resolved.startsWith("/"); index--) {
    const path = paths[index] ?? "";
    if (path !== "") resolved = resolved === "" ? path : `${path}/${resolved}`;
  }
  if (!resolved.startsWith("/")) resolved = resolved === "" ? process.cwd() : `${process.cwd()}/${resolved}`;
  if (isSimple(resolved) && !resolved.endsWith("/")) return resolved;
  return `/${simplify(resolved, true)}`;
}

export function dirname(path: string): string {
  if (path === "") return ".";
  let end = path.length;
  while (end > 1 && path[end - 1] === "/") end--;
  end = path.lastIndexOf("/", end - 1);
  if (end < 0) return ".";
  // Two slashes at the beginning are one root.
  if (end === 1 && path.startsWith("/")) return "//";
  return end === 0 ? "/" : path.slice(0, end);
}

export function basename(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === "/") end--;
  return path.slice(path.lastIndexOf("/", end - 1) + 1, end);
}

export function relative(from: string, to: string): string {
  const start = resolve(from).split("/").filter(Boolean);
  const end = resolve(to).split("/").filter(Boolean);
  let common = 0;
  while (common < start.length && common < end.length && start[common] === end[common]) common++;
  return [...start.slice(common).map(() => ".."), ...end.slice(common)].join("/");
}

export const posix = { basename, delimiter, dirname, isAbsolute, join, normalize, relative, resolve };
