/** Documents of images nest a handful of levels; what nests deeper could exhaust the stack of whoever walks or prints it. */
const maxDepth = 64;

const quoteMark = 0x22;
const backslash = 0x5c;

/**
 * Reads a JSON document of unknown origin.
 *
 * @returns undefined for what is no JSON, no UTF-8, or nested deeper than any document of an image.
 */
export function parseJsonDocument(bytes: Uint8Array): unknown {
  if (depthOf(bytes) > maxDepth) return undefined;
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** How deep brackets and braces nest, those in texts left out. */
function depthOf(bytes: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let isText = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (isText) {
      if (byte === backslash) at++;
      else if (byte === quoteMark) isText = false;
      continue;
    }
    if (byte === quoteMark) isText = true;
    else if (byte === 0x5b || byte === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return deepest;
}

/** Whether a value of a document is an object. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
