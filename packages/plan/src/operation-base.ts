import type { MountAttribute } from "./kernel.ts";

/**
 * Index into the descriptors that the parent opens and hands to the init helper; {@link Plan.descriptors} says what each
 * is. In the encoded plan it has become a descriptor number.
 */
export type Slot = number;

/** What every operation carries. */
export interface Base {
  /**
   * JSON Pointer of the config entry that caused the operation (`/mounts/3`), or `spec:` and the rule of the
   * specification for what it implies (`spec:config-linux.md#default-devices`).
   */
  readonly from: string;
}

/** Mount attributes to set and to clear, as mount_setattr(2) takes them. */
export interface MountAttributes {
  readonly set: readonly MountAttribute[];
  readonly clear: readonly MountAttribute[];
}

/** One line of a uid or gid map. */
export interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}
