import type { Uint32, Uint64 } from "./integer.ts";

/**
 * What is particular to containers in virtual machines.
 *
 * @see config-vm.md
 */
export interface VM {
  /** The hypervisor. */
  hypervisor?: VMHypervisor;
  /** The kernel that the machine boots. */
  kernel: VMKernel;
  /** The machine's root image. */
  image?: VMImage;
  /** The machine's hardware. */
  hwConfig?: VMHWConfig;
}

/** The hypervisor of a virtual machine. */
export interface VMHypervisor {
  /** Absolute path on the host. */
  path: string;
  /** Parameters. */
  parameters?: string[];
}

/** The kernel of a virtual machine. */
export interface VMKernel {
  /** Absolute path on the host. */
  path: string;
  /** Parameters. */
  parameters?: string[];
  /** Absolute path of the initial ram disk on the host. */
  initrd?: string;
}

/** The root image of a virtual machine. */
export interface VMImage {
  /** Absolute path on the host. */
  path: string;
  /** Format of the image. */
  format: "raw" | "qcow2" | "vdi" | "vmdk" | "vhd";
}

/** The hardware of a virtual machine. */
export interface VMHWConfig {
  /** Path of the device tree on the host. */
  deviceTree?: string;
  /** Number of virtual CPUs. */
  vcpus?: Uint32;
  /** Memory in bytes. */
  memory?: Uint64;
  /** Devices of the host's device tree that are passed through. */
  dtdevs?: string[];
  /** Ranges of memory-mapped input and output that are passed through. */
  iomems?: VMIOMem[];
  /** Interrupts that are passed through. */
  irqs?: Uint32[];
}

/** A range of page frames for memory-mapped input and output. */
export interface VMIOMem {
  /** First frame in the guest; unset is the machine's own number. */
  firstGFN?: Uint64;
  /** First frame of the machine. */
  firstMFN: Uint64;
  /** Number of frames. */
  nrMFNs: Uint64;
}
