import { expect, it } from "vitest";
import { temporaryDirectory } from "../../test/directory.ts";
import { IntelRdtGroup, intelRdtStats } from "./group.ts";

const files = {
  schemata: "    MB:0=100;1=100\n    L3:0=fff;1=fff\n",
  "info/L3/cbm_mask": "fff\n",
  "info/L3/min_cbm_bits": "1\n",
  "info/L3/num_closids": "16\n",
  "info/MB/bandwidth_gran": "10\n",
  "info/MB/delay_linear": "1\n",
  "info/MB/min_bandwidth": "10\n",
  "info/MB/num_closids": "8\n",
  "web/schemata": "    MB:0=20;1=70\n    L3:0=00f;1=0f0\n",
};
const monitoring = {
  "info/L3_MON/mon_features": "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n",
  "web/mon_data/mon_L3_00/llc_occupancy": "4096\n",
  "web/mon_data/mon_L3_00/mbm_total_bytes": "9007199254740993\n",
  "web/mon_data/mon_L3_00/mbm_local_bytes": "17\n",
  "web/mon_data/mon_L3_01/llc_occupancy": "0\n",
  "web/mon_data/mon_L3_01/mbm_total_bytes": "Unavailable\n",
  "web/mon_data/mon_L3_01/mbm_local_bytes": "Unavailable\n",
  "web/mon_data/mon_sub_L3_00/llc_occupancy": "1\n",
};

function statsOf(tree: Readonly<Record<string, string>>, enableMonitoring = false) {
  using directory = temporaryDirectory(tree);
  const config = { enableMonitoring };
  return intelRdtStats(new IntelRdtGroup({ id: "web", config, mountPoint: directory.hostPath }).toState());
}

const allocation = {
  l3_cache_info: { cbm_mask: "fff", min_cbm_bits: 1, num_closids: 16 },
  l3_cache_schema_root: "L3:0=fff;1=fff",
  l3_cache_schema: "L3:0=00f;1=0f0",
  mem_bw_info: { bandwidth_gran: 10, delay_linear: 1, min_bandwidth: 10, num_closids: 8 },
  mem_bw_schema_root: "MB:0=100;1=100",
  mem_bw_schema: "MB:0=20;1=70",
};

it("reads what is allocated, as runc names it", () => {
  expect(statsOf(files)).toEqual(allocation);
});

it("reads what is used where the processor counts, exactly; a counter that is not available is left out", () => {
  expect(statsOf({ ...files, ...monitoring })).toEqual({
    ...allocation,
    mbm_stats: [{ mbm_total_bytes: 9007199254740993n, mbm_local_bytes: 17 }],
    cmt_stats: [{ llc_occupancy: 4096 }, { llc_occupancy: 0 }],
  });
});

it("reads the monitoring group rather than the class", () => {
  const own = { "web/mon_groups/web/mon_data/mon_L3_00/llc_occupancy": "8192\n" };
  const stats = statsOf({ ...files, "info/L3_MON/mon_features": "llc_occupancy\n", ...own }, true);
  expect(stats.cmt_stats).toEqual([{ llc_occupancy: 8192 }]);
  expect(stats).not.toHaveProperty("mbm_stats");
});

it("is empty for a class that is gone, and for a processor without allocation", () => {
  expect(statsOf({})).toEqual({});
  expect(statsOf({ "web/schemata": "" })).toEqual({});
});
