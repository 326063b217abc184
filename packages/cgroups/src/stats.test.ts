import { expect, it } from "vitest";
import { temporaryDirectory } from "../test/directory.ts";
import { addCounts, parseList, parsePressure, toCount } from "./stat-file.ts";
import { formatStats } from "./stats.ts";
import { readStats as readV1 } from "./v1/stats.ts";
import { readStats as readV2 } from "./v2/stats.ts";

it("keeps numbers exact", () => {
  expect(toCount("9223372036854771712")).toBe(9223372036854771712n);
  expect(toCount("12")).toBe(12);
  expect(toCount("max")).toBe(2n ** 64n - 1n);
  expect(addCounts(Number.MAX_SAFE_INTEGER, 2)).toBe(9007199254740993n);
  expect(formatStats({ a: [9223372036854771712n], b: "\u00001" })).toBe('{"a":[9223372036854771712],"b":"\\u00001"}');
});

it("reads lists of CPUs", () => {
  expect(parseList("0-2,7")).toEqual([0, 1, 2, 7]);
  expect(parseList("")).toEqual([]);
});

it("reads pressure", () => {
  const text = "some avg10=1.50 avg60=0.20 avg300=0.00 total=123\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9";
  expect(parsePressure(text)).toEqual({
    psi: {
      some: { avg10: 1.5, avg60: 0.2, avg300: 0, total: 123 },
      full: { avg10: 0, avg60: 0, avg300: 0, total: 9 },
    },
  });
  expect(parsePressure("")).toEqual({});
});

it("reads a group of v2 in the units of v1", () => {
  using directory = temporaryDirectory({
    "cpu.stat": "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 4\nnr_throttled 1\nthrottled_usec 7\n",
    "cpuset.cpus.effective": "0-1\n",
    "cpuset.mems.effective": "0\n",
    "memory.current": "4096\n",
    "memory.max": "max\n",
    "memory.peak": "8192\n",
    "memory.stat": "anon 10\nfile 20\n",
    "memory.events": "low 0\nhigh 0\nmax 6\noom 0\noom_kill 0\n",
    "memory.swap.current": "10\n",
    "memory.swap.max": "100\n",
    "pids.current": "2\n",
    "pids.max": "max\n",
    "io.stat": "8:0 rbytes=1 wbytes=0 rios=2 wios=3 dbytes=0 dios=0\n",
    "hugetlb.2MB.current": "0\n",
    "hugetlb.2MB.max": "max\n",
    "hugetlb.2MB.events": "max 3\n",
  });
  expect(readV2(directory.hostPath)).toEqual({
    cpu: {
      usage: { total: 5000, kernel: 2000, user: 3000 },
      throttling: { periods: 4, throttledPeriods: 1, throttledTime: 7000 },
    },
    cpuset: {
      cpus: [0, 1],
      mems: [0],
      cpu_exclusive: 0,
      mem_hardwall: 0,
      mem_exclusive: 0,
      memory_migrate: 0,
      memory_spread_page: 0,
      memory_spread_slab: 0,
      memory_pressure: 0,
      sched_load_balance: 0,
      sched_relax_domain_level: 0,
    },
    memory: {
      cache: 20,
      usage: { limit: 2n ** 64n - 1n, usage: 4096, max: 8192, failcnt: 6 },
      swap: { limit: 2n ** 64n - 1n, usage: 4106, failcnt: 0 },
      kernel: { limit: 0, failcnt: 0 },
      kernelTCP: { limit: 0, failcnt: 0 },
      raw: { anon: 10, file: 20 },
    },
    pids: { current: 2 },
    blkio: {
      ioServiceBytesRecursive: [
        { major: 8, op: "Read", value: 1 },
        { major: 8, op: "Write" },
        { major: 8, op: "Discard" },
      ],
      ioServicedRecursive: [
        { major: 8, op: "Read", value: 2 },
        { major: 8, op: "Write", value: 3 },
        { major: 8, op: "Discard" },
      ],
    },
    hugetlb: { "2MB": { failcnt: 3 } },
  });
});

it("reads the counters of v1 that have been moved", () => {
  using directory = temporaryDirectory({
    "blkio/blkio.throttle.io_service_bytes_recursive": "254:0 Read 10\n254:0 Write 0\n254:0 Total 10\nTotal 10\n",
    "cpuacct/cpuacct.stat": "user 3\nsystem 4\n",
    "cpuacct/cpuacct.usage": "9007199254740993\n",
    "cpuacct/cpuacct.usage_percpu": "5 6 \n",
    "cpuacct/cpuacct.usage_all": "cpu user system\n0 1 4\n1 2 4\n",
  });
  const { hostPath } = directory;
  const stats = readV1({ blkio: `${hostPath}/blkio`, cpuacct: `${hostPath}/cpuacct` });
  expect(stats.cpu.usage).toEqual({
    total: 9007199254740993n,
    percpu: [5, 6],
    percpu_kernel: [4, 4],
    percpu_user: [1, 2],
    user: 30_000_000,
    kernel: 40_000_000,
  });
  expect(stats.blkio).toEqual({
    ioServiceBytesRecursive: [
      { major: 254, op: "Read", value: 10 },
      { major: 254, op: "Write" },
      { major: 254, op: "Total", value: 10 },
    ],
  });
});
