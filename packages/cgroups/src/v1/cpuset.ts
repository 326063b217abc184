import { dirname } from "node:path";
import { readText, writeValue } from "../cgroup-file.ts";

/**
 * Gives a new group of the cpuset hierarchy the CPUs and memory nodes of its parent: a new one has none, and no process
 * can join it. One that has them already (`cgroup.clone_children`, or somebody's own) keeps them.
 *
 * @see cpuset(7)
 */
export function inheritCpuset(hostPath: string): void {
  const parentPath = dirname(hostPath);
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    if (readText(`${hostPath}/${file}`) === "") writeValue(`${hostPath}/${file}`, readText(`${parentPath}/${file}`));
  }
}

/** As {@link inheritCpuset}, for a group that was made just now: its files are empty. */
export function initialiseCpuset(hostPath: string): void {
  const parentPath = dirname(hostPath);
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    writeValue(`${hostPath}/${file}`, readText(`${parentPath}/${file}`));
  }
}
