import * as system from "runlet:system";

export type Encoding = "utf8" | "latin1";

/** What of Uint8Array's own functions Buffer has: `from` is another one. */
const Bytes: new (source: number | ArrayLike<number> | ArrayBuffer, offset?: number, length?: number) => Uint8Array =
  Uint8Array;

/** Node's, as far as the command uses it. */
export class Buffer extends Bytes {
  /** A copy, but for an ArrayBuffer, whose memory is shared. */
  static from(source: string | ArrayLike<number>): Buffer;
  static from(source: ArrayBufferLike, offset?: number, length?: number): Buffer;
  static from(source: string | ArrayLike<number> | ArrayBufferLike, offset?: number, length?: number): Buffer {
    if (typeof source === "string") return new Buffer(system.encodeText(source));
    return new Buffer(source as ArrayBuffer, offset, length);
  }

  static of(...bytes: number[]): Buffer {
    return new Buffer(bytes);
  }

  static alloc(sizeBytes: number): Buffer {
    return new Buffer(sizeBytes);
  }

  static allocUnsafe(sizeBytes: number): Buffer {
    return new Buffer(sizeBytes);
  }

  static allocUnsafeSlow(sizeBytes: number): Buffer {
    return new Buffer(sizeBytes);
  }

  static concat(parts: readonly Uint8Array[]): Buffer {
    const whole = new Buffer(parts.reduce((sizeBytes, part) => sizeBytes + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  static byteLength(text: string): number {
    return system.encodedLength(text);
  }

  static compare(a: Uint8Array, b: Uint8Array): -1 | 0 | 1 {
    return system.compareBytes(a, b);
  }

  override subarray(start?: number, end?: number): Buffer {
    return super.subarray(start, end) as Buffer;
  }

  readUInt32LE(offset = 0): number {
    return this.readInt32LE(offset) >>> 0;
  }

  readInt32LE(offset = 0): number {
    return this.#view(offset, 4).getInt32(0, true);
  }

  readBigUInt64LE(offset = 0): bigint {
    return this.#view(offset, 8).getBigUint64(0, true);
  }

  /** @throws RangeError when it goes beyond the end. */
  #view(offset: number, sizeBytes: number): DataView {
    if (!(offset >= 0 && offset + sizeBytes <= this.length)) throw new RangeError(`no ${sizeBytes} bytes at ${offset}`);
    return new DataView(this.buffer, this.byteOffset + offset, sizeBytes);
  }

  equals(other: Uint8Array): boolean {
    return this.length === other.length && system.compareBytes(this, other) === 0;
  }

  override toString(encoding: Encoding = "utf8", start = 0, end = this.length): string {
    const from = Math.min(Math.max(start, 0), this.length);
    const to = Math.min(Math.max(end, from), this.length);
    if (encoding === "latin1") return system.decodeLatin1(this, from, to);
    return system.decodeText(this, from, to, false) as string;
  }
}
