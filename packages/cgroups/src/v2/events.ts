import { readTextIfExists } from "../cgroup-file.ts";
import { type CgroupEvent, type EventSnapshot, watchEvents } from "../events.ts";
import { fileWakeup } from "../wakeup.ts";

/** Yields what happens in a v2 group. */
export function watchGroup(hostPath: string, signal?: AbortSignal): AsyncIterable<CgroupEvent> {
  const files = [`${hostPath}/memory.events`, `${hostPath}/cgroup.events`];
  const open = () => files.map(fileWakeup).filter((wakeup) => wakeup !== null);
  return watchEvents({ open, look: () => look(hostPath) }, signal);
}

function look(hostPath: string): EventSnapshot | null {
  const events = readTextIfExists(`${hostPath}/cgroup.events`);
  if (events === undefined) return null;
  const isEmpty = /^populated 0$/m.test(events);
  return { oomKillCount: countOomKills(hostPath), isUnderOom: false, isEmpty };
}

/** `oom_kill` of `memory.events`, which counts the groups below too. */
export function countOomKills(hostPath: string): number {
  const events = readTextIfExists(`${hostPath}/memory.events`) ?? "";
  return Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0);
}
