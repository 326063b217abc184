import { execFileSync } from "node:child_process";

/**
 * A hierarchy of cgroup v1 stays without a mount as long as a group of it is not quite gone: then it takes another mount to
 * remove it.
 */
const removeHierarchies = `
directory=$1
shift
for options in "$@"; do
  name=\${options##*,}
  for attempt in $(seq 200); do
    grep -q ":$name:" /proc/self/cgroup || continue 2
    mount -t cgroup -o "$options" "$name" "$directory"
    find "$directory" -mindepth 1 -depth -type d -exec rmdir {} +
    umount "$directory"
    sleep 0.05
  done
  exit 1
done
`;

/**
 * Removes hierarchies of cgroup v1 that nothing shows any more.
 *
 * @param directory - any empty one, to mount them at for a moment that nobody sees.
 * @param options - of the mount of each: `net_cls`, `none,name=mine`.
 */
export function removeV1Hierarchies(directory: string, options: readonly string[]): void {
  const script = ["sh", "-c", removeHierarchies, "sh", directory, ...options];
  execFileSync("unshare", ["--mount", "--propagation", "private", ...script]);
}
