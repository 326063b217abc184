import type { Uint16, Uint64 } from "./integer.ts";

/**
 * What is particular to Windows.
 *
 * @see config-windows.md
 */
export interface Windows {
  /**
   * Folders of the image's layers, from the topmost to the base, the scratch space last.
   *
   * @minItems 1
   */
  layerFolders: string[];
  /** Devices that MUST be available in the container. */
  devices?: WindowsDevice[];
  /** Limits. */
  resources?: WindowsResources;
  /** Network settings. */
  network?: WindowsNetwork;
  /** Group managed service account; an object whose members the implementation defines. */
  credentialSpec?: Record<string, unknown>;
  /** Whether the container starts to apply pending updates of Windows. */
  servicing?: boolean;
  /** Whether disk flushes are left out during start-up. */
  ignoreFlushesDuringBoot?: boolean;
  /** Isolation by Hyper-V; unset MUST run a Windows Server container. */
  hyperv?: WindowsHyperV;
}

/** A device of the host. */
export interface WindowsDevice {
  /** The device, as `idType` says. */
  id: string;
  /** How `id` is read; Windows knows `class`, a device interface class GUID. */
  idType: "class";
}

/** Limits on Windows. */
export interface WindowsResources {
  /** Memory. */
  memory?: WindowsMemoryResources;
  /** Processor time. */
  cpu?: WindowsCPUResources;
  /** System drive. */
  storage?: WindowsStorageResources;
}

/** Memory limit on Windows. */
export interface WindowsMemoryResources {
  /** Bytes. */
  limit?: Uint64;
}

/** Processor limits on Windows. */
export interface WindowsCPUResources {
  /** Number of CPUs. */
  count?: Uint64;
  /** Weight relative to other containers: 0 to 10000. */
  shares?: Uint16;
  /** Share of processor time in hundredths of a percent. */
  maximum?: Uint16;
}

/** Limits of the system drive on Windows. */
export interface WindowsStorageResources {
  /** Operations per second. */
  iops?: Uint64;
  /** Bytes per second. */
  bps?: Uint64;
  /** Least size in bytes. */
  sandboxSize?: Uint64;
}

/** Network settings on Windows. */
export interface WindowsNetwork {
  /** Endpoints of the Host Network Service. */
  endpointList?: string[];
  /** Whether unqualified names are resolved. */
  allowUnqualifiedDNSQuery?: boolean;
  /** DNS suffixes. */
  DNSSearchList?: string[];
  /** Container whose network stack is shared. */
  networkSharedContainerName?: string;
  /** Network namespace to use; the other members MUST NOT be given with it. */
  networkNamespace?: string;
}

/** Isolation by Hyper-V. */
export interface WindowsHyperV {
  /** Image of the utility virtual machine. */
  utilityVMPath?: string;
}
