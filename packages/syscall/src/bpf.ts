import { SyscallError } from "@runlet/errors";
import { binding } from "./binding.ts";
import { check } from "./check.ts";

interface BpfBinding {
  bpfLoadDeviceProgram(instructions: Uint8Array, name: string): number;
  bpfAttachDeviceProgram(groupFd: number, programFd: number, replacedFd: number): number;
  bpfDetachDeviceProgram(groupFd: number, programFd: number): number;
  bpfQueryDevicePrograms(groupFd: number): number | number[];
  bpfOpenProgram(id: number): number;
  bpfProgramName(programFd: number): number | string;
}

/**
 * Loads a program of type BPF_PROG_TYPE_CGROUP_DEVICE.
 *
 * @param options.instructions - eBPF, 8 bytes each.
 * @param options.name - at most 15 letters, digits, `_` and `.`.
 * @returns a descriptor (O_CLOEXEC) that the caller closes; a group that the program is attached to keeps it.
 * @throws SyscallError `EPERM` without CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN, of the initial user namespace; `EINVAL`
 *   or `EACCES` when the verifier refuses it.
 * @see bpf(2)
 */
export function bpfLoadDeviceProgram(options: { instructions: Uint8Array; name: string }): number {
  return check(binding<BpfBinding>().bpfLoadDeviceProgram(options.instructions, options.name), "bpf");
}

/**
 * Attaches a device program to a control group of v2 with BPF_F_ALLOW_MULTI: an access needs the consent of all.
 *
 * @param options.replacedFd - a program of the group whose place the new one takes in one step (BPF_F_REPLACE, Linux 5.6).
 * @throws SyscallError
 */
export function bpfAttachDeviceProgram(options: { groupFd: number; programFd: number; replacedFd?: number }): void {
  const { groupFd, programFd, replacedFd } = options;
  check(binding<BpfBinding>().bpfAttachDeviceProgram(groupFd, programFd, replacedFd ?? -1), "bpf");
}

/** Detaches a device program from a control group. @throws SyscallError `ENOENT` when it is not attached. */
export function bpfDetachDeviceProgram(groupFd: number, programFd: number): void {
  check(binding<BpfBinding>().bpfDetachDeviceProgram(groupFd, programFd), "bpf");
}

/** Ids of the device programs that are attached to the group itself, in the order in which they were. @throws SyscallError */
export function bpfQueryDevicePrograms(groupFd: number): number[] {
  const result = binding<BpfBinding>().bpfQueryDevicePrograms(groupFd);
  if (typeof result === "number") throw new SyscallError("bpf", result);
  return result;
}

/** Opens a loaded program. @returns a descriptor that the caller closes. @throws SyscallError `ENOENT` for one that is gone. */
export function bpfOpenProgram(id: number): number {
  return check(binding<BpfBinding>().bpfOpenProgram(id), "bpf");
}

/** The name that a program was loaded with. @throws SyscallError */
export function bpfProgramName(programFd: number): string {
  const result = binding<BpfBinding>().bpfProgramName(programFd);
  if (typeof result === "number") throw new SyscallError("bpf", result);
  return result;
}
