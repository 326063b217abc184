import { expect, it } from "vitest";
import { temporaryDirectory } from "../test/directory.ts";
import { previousValue } from "./previous-value.ts";

it.each([
  ["memory.max", "max\n", "1048576", "max"],
  ["memory.limit_in_bytes", "9223372036854771712\n", "1048576", "9223372036854771712"],
  ["cpu.max", "max 100000\n", "5000 10000", "max 100000"],
  ["cpuset.cpus", "\n", "0", "\n"],
  ["memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "1", "0"],
  ["io.weight", "default 100\n8:16 200\n", "500", "100"],
  ["io.weight", "default 100\n8:16 200\n", "8:16 500", "8:16 200"],
  ["io.weight", "default 100\n", "8:16 500", "8:16 default"],
  [
    "io.max",
    "8:0 rbps=max wbps=1048576 riops=max wiops=max\n",
    "8:0 rbps=5",
    "8:0 rbps=max wbps=1048576 riops=max wiops=max",
  ],
  ["io.max", "\n", "8:0 rbps=5", "8:0 rbps=max wbps=max riops=max wiops=max"],
  ["blkio.throttle.read_bps_device", "8:0 1048576\n", "8:0 5", "8:0 1048576"],
  ["blkio.throttle.read_bps_device", "", "8:0 5", "8:0 0"],
  ["net_prio.ifpriomap", "lo 0\neth0 4\n", "eth0 5", "eth0 4"],
  ["rdma.max", "mlx5_0 hca_handle=2 hca_object=max\n", "mlx5_0 hca_handle=3", "mlx5_0 hca_handle=2 hca_object=max"],
])("%s that holds %j, before %j", (file, content, value, previous) => {
  using directory = temporaryDirectory({ [file]: content });
  expect(previousValue(directory.hostPath, file, value)).toBe(previous);
});

it("is not known for a file that cannot be read or lists what nothing writes back", () => {
  using directory = temporaryDirectory({ "some.file": "one 1\ntwo 2\n" });
  expect(previousValue(directory.hostPath, "absent.max", "1")).toBeUndefined();
  expect(previousValue(directory.hostPath, "some.file", "3")).toBeUndefined();
});
