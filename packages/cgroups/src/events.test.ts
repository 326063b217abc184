import { expect, it } from "vitest";
import { type CgroupEvent, type EventSnapshot, watchEvents } from "./events.ts";

const quiet: EventSnapshot = { oomKillCount: 0, isUnderOom: false, isEmpty: false };

async function eventsOf(snapshots: readonly (EventSnapshot | null)[]): Promise<CgroupEvent[]> {
  const left = [...snapshots];
  const events: CgroupEvent[] = [];
  for await (const event of watchEvents({ open: () => [], look: () => left.shift() ?? null })) events.push(event);
  return events;
}

it("tells of kills, of waiting for memory and of the last process, and ends with the group", async () => {
  const events = await eventsOf([
    quiet,
    { ...quiet, oomKillCount: 2 },
    { ...quiet, oomKillCount: 2, isUnderOom: true },
    { ...quiet, oomKillCount: 2, isUnderOom: true, isEmpty: true },
    null,
  ]);
  expect(events).toEqual([{ type: "oom", oomKillCount: 2 }, { type: "oom", oomKillCount: 2 }, { type: "empty" }]);
});

it("knows that a group that is gone was empty before", async () => {
  expect(await eventsOf([quiet, null])).toEqual([{ type: "empty" }]);
});

it("is silent of what was so before", async () => {
  expect(await eventsOf([{ oomKillCount: 3, isUnderOom: true, isEmpty: true }, null])).toEqual([]);
  expect(await eventsOf([null])).toEqual([]);
});

it("ends when the signal fires", async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 20);
  const started = performance.now();
  for await (const _ of watchEvents({ open: () => [], look: () => quiet }, controller.signal)) expect.unreachable();
  expect(performance.now() - started).toBeLessThan(400);
});
