import * as system from "runlet:system";

/** As the Encoding Standard has it. */
export class TextEncoder {
  encode(text = ""): Uint8Array {
    return new Uint8Array(system.encodeText(text));
  }

  encodeInto(text: string, into: Uint8Array): { read: number; written: number } {
    const written = system.encodeTextInto(text, into);
    if (written >= 0) return { read: text.length, written };
    const fitted = -1 - written;
    return { read: (system.decodeText(into, 0, fitted, false) as string).length, written: fitted };
  }
}

interface DecoderOptions {
  readonly fatal?: boolean;
  readonly ignoreBOM?: boolean;
}

/** How many bytes at the end are the beginning of a sequence whose rest may yet come. */
function incompleteLength(bytes: Uint8Array): number {
  for (let length = 1; length <= 3 && length <= bytes.length; length++) {
    const byte = bytes[bytes.length - length] ?? 0;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const sequenceLength = byte < 0xc2 || byte > 0xf4 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    if (length >= sequenceLength) return 0;
    const second = length > 1 ? (bytes[bytes.length - length + 1] ?? 0) : undefined;
    return second === undefined || isSecond(byte, second) ? length : 0;
  }
  return 0;
}

/** Whether a byte may follow the first one of a sequence. @see the Unicode Standard, table 3-7 */
function isSecond(first: number, second: number): boolean {
  if (first === 0xe0) return second >= 0xa0;
  if (first === 0xed) return second < 0xa0;
  if (first === 0xf0) return second >= 0x90;
  return first !== 0xf4 || second < 0x90;
}

/** As the Encoding Standard has it, of UTF-8 alone. */
export class TextDecoder {
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  /** The bytes of a sequence whose rest is to come. */
  #pending: Uint8Array | undefined;
  /** Whether characters have come, so that a mark of the byte order is no mark. */
  #hasBegun = false;

  constructor(label = "utf-8", { fatal = false, ignoreBOM = false }: DecoderOptions = {}) {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`the encoding ${label} is not one of this executable's`);
    this.fatal = fatal;
    this.ignoreBOM = ignoreBOM;
  }

  decode(bytes: Uint8Array = new Uint8Array(), { stream = false }: { stream?: boolean } = {}): string {
    let input = bytes;
    if (this.#pending !== undefined) {
      input = new Uint8Array(this.#pending.length + bytes.length);
      input.set(this.#pending);
      input.set(bytes, this.#pending.length);
      this.#pending = undefined;
    }
    const end = stream ? input.length - incompleteLength(input) : input.length;
    const start = !this.ignoreBOM && !this.#hasBegun && hasByteOrderMark(input) ? 3 : 0;
    const text = system.decodeText(input, start, Math.max(start, end), this.fatal);
    this.#hasBegun = stream && (this.#hasBegun || end > 0);
    if (typeof text === "number") {
      this.#hasBegun = false;
      throw Object.assign(new TypeError("The encoded data was not valid for encoding utf-8"), {
        code: "ERR_ENCODING_INVALID_ENCODED_DATA",
      });
    }
    if (end < input.length) this.#pending = input.slice(end);
    return text;
  }
}

function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}
