import { expect, it } from "vitest";
import { isOomKillIn } from "./kernel-log.ts";

const record = (group: string, timeUs = 75_193_224): string =>
  `6,2181,${timeUs},-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=a.scope,mems_allowed=0,oom_memcg=/system.slice,task_memcg=${group},task=a,task=b,pid=312,uid=0\n SUBSYSTEM=x\n`;

it("knows the kernel's record of a process that was killed in a group or below it", () => {
  expect(isOomKillIn(record("/system.slice/a.scope"), "/system.slice/a.scope", 0)).toBe(true);
  expect(isOomKillIn(record("/system.slice/a.scope/inner"), "/system.slice/a.scope", 0)).toBe(true);
  expect(isOomKillIn(record("/system.slice/a.scopes"), "/system.slice/a.scope", 0)).toBe(false);
  expect(isOomKillIn("6,9,75193224,-;Memory cgroup out of memory", "/system.slice/a.scope", 0)).toBe(false);
});

it("reads what the log has escaped", () => {
  expect(isOomKillIn(record("/a\\x5cx2db.scope"), "/a\\x2db.scope", 0)).toBe(true);
});

it("does not believe a group's name that says it is another", () => {
  const forged = "/system.slice/b.scope/x,task_memcg=/system.slice/a.scope,task=y";
  expect(isOomKillIn(record(forged), "/system.slice/a.scope", 0)).toBe(false);
  const limited = record(forged).replace("oom_memcg=/system.slice", `oom_memcg=${forged}`);
  expect(isOomKillIn(limited, "/system.slice/a.scope", 0)).toBe(false);
});

it("leaves out what is older", () => {
  expect(isOomKillIn(record("/a.scope"), "/a.scope", 75_193)).toBe(true);
  expect(isOomKillIn(record("/a.scope"), "/a.scope", 75_194)).toBe(false);
});
