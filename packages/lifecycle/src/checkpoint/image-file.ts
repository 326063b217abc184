import type { ImageDirectory } from "./image-directory.ts";
import { imageError } from "./image-directory.ts";
import { decodeMessage, MalformedMessage, type MessageValue, type Schema } from "./protobuf.ts";

/*
 * The files of an image: two magic numbers, the second of which says what kind of file it is, then messages, each behind its
 * length. The inventory has the second alone. @see https://criu.org/Images
 */

const commonMagic = 0x5456_4319;

/** Kinds of files that are looked into. */
const imageMagic = {
  inventory: 0x5831_3116,
  pstree: 0x5027_3030,
  core: 0x5505_3847,
  ids: 0x5443_2030,
  mountpoints: 0x5556_3928,
  cgroup: 0x5938_3330,
  seccomp: 0x6441_3049,
  userns: 0x5547_4906,
} as const;

type ImageKind = keyof typeof imageMagic;

const maxEntries = 100_000;

/**
 * Reads the messages of an image file.
 *
 * @throws RunletError `ERR_RUNLET_CHECKPOINT`.
 */
export function readImage<const Fields extends Schema>(
  images: ImageDirectory,
  { name, kind, schema }: { readonly name: string; readonly kind: ImageKind; readonly schema: Fields },
): MessageValue<Fields>[] {
  const bytes = images.read(`${name}.img`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = kind === "inventory" ? [imageMagic.inventory] : [commonMagic, imageMagic[kind]];
  const isOfKind = magic.every(
    (number, index) => index * 4 + 4 <= bytes.length && view.getUint32(index * 4, true) === number,
  );
  if (!isOfKind) throw imageError(images.hostPath, `${name}.img`, `is no ${kind} of an image that this version reads`);
  const entries: MessageValue<Fields>[] = [];
  for (let offset = magic.length * 4; offset < bytes.length; ) {
    const length = offset + 4 <= bytes.length ? view.getUint32(offset, true) : bytes.length;
    offset += 4;
    if (length > bytes.length - offset) throw imageError(images.hostPath, `${name}.img`, "is cut off");
    if (entries.length >= maxEntries) throw imageError(images.hostPath, `${name}.img`, "holds too much");
    try {
      entries.push(decodeMessage(schema, bytes.subarray(offset, offset + length)));
    } catch (cause) {
      if (!(cause instanceof MalformedMessage)) throw cause;
      throw imageError(images.hostPath, `${name}.img`, `cannot be read: ${cause.message}`, cause);
    }
    offset += length;
  }
  return entries;
}

/** As {@link readImage}, for a file that holds one message. */
export function readSingle<const Fields extends Schema>(
  images: ImageDirectory,
  file: { readonly name: string; readonly kind: ImageKind; readonly schema: Fields },
): MessageValue<Fields> {
  const [entry, second] = readImage(images, file);
  if (entry !== undefined && second === undefined) return entry;
  throw imageError(images.hostPath, `${file.name}.img`, "does not hold one entry");
}
