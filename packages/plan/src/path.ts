/** The path without empty, `.` and `..` components, absolute: as a container sees it, `..` of the root is the root. */
export function cleanPath(path: string): string {
  const components: string[] = [];
  for (const component of path.split("/")) {
    if (component === "" || component === ".") continue;
    if (component === "..") components.pop();
    else components.push(component);
  }
  return `/${components.join("/")}`;
}

/** A path of the config on the host: a relative one belongs to the bundle. */
export function hostPathFrom(bundleHostPath: string, path: string): string {
  return cleanPath(path.startsWith("/") ? path : `${bundleHostPath}/${path}`);
}

/** The last component of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Whether `path` is `directory` or lies below it; both clean. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || directory === "/" || path.startsWith(`${directory}/`);
}
