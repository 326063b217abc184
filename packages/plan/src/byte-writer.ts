/** What writes the fields of an operation: numbers little-endian, texts and lists with their length before them. */
export interface Encoder {
  u32(value: number): this;
  u64(value: bigint): this;
  text(value: string): this;
  /** Null is told apart from the empty text. */
  optionalText(value: string | null): this;
  bytes(value: Uint8Array): this;
  list<Item>(items: readonly Item[], encodeItem: (item: Item) => void): this;
}

const textEncoder = new TextEncoder();
const NONE = 0xffff_ffff;

/** Grows as it is written to. */
export class ByteWriter implements Encoder {
  #bytes = new Uint8Array(8192);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  #reserve(bytes: number): number {
    const at = this.#length;
    this.#length = at + bytes;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  u32(value: number): this {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, value, true);
    return this;
  }

  /** @throws Error for a NUL inside, which the kernel would take for the end. The validator refuses it before. */
  text(value: string): this {
    if (value.includes("\0")) throw new Error(`a text of the plan contains NUL: ${JSON.stringify(value)}`);
    const lengthAt = this.#reserve(4);
    // At most three bytes for a UTF-16 unit, and the NUL behind.
    const at = this.#reserve(value.length * 3 + 1);
    const written = this.#putAscii(value, at) ?? this.#putUtf8(value, at);
    this.#bytes[at + written] = 0;
    this.#view.setUint32(lengthAt, written, true);
    this.#length = at + written + 1;
    return this;
  }

  /** Most texts are short and plain. @returns how many bytes; null for a text that is not. */
  #putAscii(value: string, at: number): number | null {
    if (value.length > 64) return null;
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index);
      if (unit > 0x7f) return null;
      this.#bytes[at + index] = unit;
    }
    return value.length;
  }

  #putUtf8(value: string, at: number): number {
    return textEncoder.encodeInto(value, this.#bytes.subarray(at, at + value.length * 3)).written;
  }

  optionalText(value: string | null): this {
    return value === null ? this.u32(NONE) : this.text(value);
  }

  bytes(value: Uint8Array): this {
    this.u32(value.length).raw(value);
    return this;
  }

  /** Bytes without their length. */
  raw(value: Uint8Array): void {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
  }

  list<Item>(items: readonly Item[], encodeItem: (item: Item) => void): this {
    this.u32(items.length);
    for (const item of items) encodeItem(item);
    return this;
  }

  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** A copy of what has been written from an offset on. */
  copyFrom(at: number): Uint8Array {
    return this.#bytes.slice(at, this.#length);
  }

  /** Forgets what has been written. */
  clear(): void {
    this.#length = 0;
  }
}
