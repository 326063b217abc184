/** Bounds of what an archive may make of itself. Each is checked before the effect. */
export interface UnpackLimits {
  /** Bytes of all files together, as they are written. */
  readonly totalBytes: number;
  /** Entries, of any kind. Whiteouts may look at ten times as many names. */
  readonly entries: number;
  /** Bytes of one path. The kernel's own limit is 4096. */
  readonly pathBytes: number;
  /** Components of one path. */
  readonly pathDepth: number;
  /**
   * How many times larger than the compressed archive its content may be. Counts from the first 16 MiB on, so that a small
   * archive of zeros is no bomb.
   */
  readonly ratio: number;
}

/** 1 TiB, 10 million entries, paths as the kernel takes them, 1000 times. */
export const defaultUnpackLimits: UnpackLimits = {
  totalBytes: 2 ** 40,
  entries: 10_000_000,
  pathBytes: 4095,
  pathDepth: 512,
  ratio: 1000,
};
