/**
 * What is particular to Solaris.
 *
 * @see config-solaris.md
 */
export interface Solaris {
  /** Service (SMF FMRI) that is online before the process starts. */
  milestone?: string;
  /** Most privileges that a process of the container can have, privileges(5). */
  limitpriv?: string;
  /** Most shared memory: a number with an optional unit. */
  maxShmMemory?: string;
  /** Network resources that are made for the container. */
  anet?: SolarisAnet[];
  /** Limit of processor time. */
  cappedCPU?: SolarisCappedCPU;
  /** Limits of memory. */
  cappedMemory?: SolarisCappedMemory;
}

/** A network resource of a Solaris container, zonecfg(1M) `anet`. */
export interface SolarisAnet {
  /** Name of the VNIC datalink. */
  linkname?: string;
  /** Link over which it is made. */
  lowerLink?: string;
  /** Addresses that the container can use, separated by commas. */
  allowedAddress?: string;
  /** Whether `allowedAddress` is configured: `true` or `false`, as a string. */
  configureAllowedAddress?: string;
  /** Default router. */
  defrouter?: string;
  /** Kinds of link protection. */
  linkProtection?: string;
  /** Ethernet address, or `auto`. */
  macAddress?: string;
}

/** Limit of processor time on Solaris. */
export interface SolarisCappedCPU {
  /** Number of CPUs, with a fraction. */
  ncpus?: string;
}

/** Limits of memory on Solaris. */
export interface SolarisCappedMemory {
  /** Physical memory. */
  physical?: string;
  /** Swap space. */
  swap?: string;
}
