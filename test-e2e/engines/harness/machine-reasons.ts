import type { MachineReason } from "./flow.ts";

/** What fails under containerd and Docker with every runtime, where the machine does not let it. */
export const machineReasons: readonly MachineReason[] = [
  {
    evidence: /unable to apply caps: operation not permitted/,
    because: "a privileged container needs every capability, and this machine withholds CAP_SYS_RESOURCE",
  },
  {
    evidence: /criu failed: type \w+ errno 0/,
    because: "Debian's CRIU is older than this kernel and cannot read its vDSO",
  },
];
