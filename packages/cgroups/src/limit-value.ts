import { quote } from "@runlet/errors";
import type { LinuxBlockIODevice, LinuxHugepageLimit, LinuxPids, LinuxRdma } from "@runlet/spec";
import { invalidResource, resourcesPointer } from "./resource-value.ts";

/** What is common to v1 and v2: the same value in a file of the same form. */
interface LimitValue {
  readonly from: string;
  readonly value: string;
  readonly given?: string;
}

/**
 * `pids.max`. 0 becomes 1, as in runc since 1.4: systemd takes no 0, and with the container's own process there is no
 * difference. Any negative number is no limit.
 */
export function pidsValue(pids: LinuxPids | undefined): LimitValue | undefined {
  if (pids?.limit === undefined || pids.limit === null) return undefined;
  const limit = BigInt(pids.limit);
  const value = limit < 0n ? "max" : limit === 0n ? "1" : String(limit);
  const from = `${resourcesPointer}/pids/limit`;
  return value === String(limit) ? { from, value } : { from, value, given: String(limit) };
}

/** `rdma.max`: `mlx5_0 hca_handle=2 hca_object=2000`. @throws RunletError for a device without a limit. */
export function rdmaValue(device: string, limits: LinuxRdma): LimitValue {
  const from = `${resourcesPointer}/rdma/${device.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  const words = [
    ...(limits.hcaHandles === undefined ? [] : [`hca_handle=${limits.hcaHandles}`]),
    ...(limits.hcaObjects === undefined ? [] : [`hca_object=${limits.hcaObjects}`]),
  ];
  if (words.length === 0) {
    throw invalidResource(from, `rdma device ${quote(device)} has no limit`, "give hcaHandles, hcaObjects or both");
  }
  if (!/^[^\s]+$/.test(device)) throw invalidResource(from, `rdma device ${quote(device)} is no name of a device`);
  return { from, value: `${device} ${words.join(" ")}` };
}

/** The size as the kernel has it in the names of its files: `2MB`. */
export function hugepageSize(hugepages: LinuxHugepageLimit, from: string): string {
  if (!/^[1-9][0-9]*[KMG]B$/.test(hugepages.pageSize)) {
    throw invalidResource(
      `${from}/pageSize`,
      `huge page size ${quote(hugepages.pageSize)} is no size`,
      'write it with its unit, for example "2MB"',
    );
  }
  return hugepages.pageSize;
}

/** `MAJOR:MINOR` of a block device. */
export function blockDevice(device: LinuxBlockIODevice, from: string): string {
  const [major, minor] = [BigInt(device.major), BigInt(device.minor)];
  if (major < 0n || minor < 0n) {
    throw invalidResource(
      from,
      `block device ${major}:${minor} does not name one device`,
      "give its numbers, see lsblk(8)",
    );
  }
  return `${major}:${minor}`;
}
