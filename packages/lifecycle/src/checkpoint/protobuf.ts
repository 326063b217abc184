/**
 * The wire format of protocol buffers, as far as CRIU uses it: in its requests and answers, and in its images. A message is
 * described once, by a table of its fields; the type of its values follows from the table.
 *
 * Images are not to be trusted, and CRIU reads them too, with another decoder: so what two decoders may understand in two ways,
 * such as a field that occurs twice, is refused.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */

/** Kinds of values. An enum is an `int32`; `uint64` is a bigint. */
type Scalar = "int32" | "uint32" | "uint64" | "bool" | "string" | "bytes";

/** One field of a message. */
interface Field {
  readonly number: number;
  /** A message's fields come from a function where a message may hold itself. */
  readonly type: Scalar | Schema | (() => Schema);
  readonly repeated?: true;
}

/** The fields of a message by their names. */
export interface Schema {
  readonly [name: string]: Field;
}

type ScalarValue<Type> = Type extends "bool"
  ? boolean
  : Type extends "string"
    ? string
    : Type extends "bytes"
      ? Uint8Array
      : Type extends "uint64"
        ? bigint
        : number;

type SingleValue<Type> = Type extends Scalar
  ? ScalarValue<Type>
  : Type extends () => infer Inner
    ? MessageValue<Inner>
    : MessageValue<Type>;

/** The values of a message: every field may be missing. */
export type MessageValue<Fields> = {
  readonly [Name in keyof Fields]?:
    | (Fields[Name] extends { readonly type: infer Type; readonly repeated: true }
        ? readonly SingleValue<Type>[]
        : Fields[Name] extends { readonly type: infer Type }
          ? SingleValue<Type>
          : never)
    | undefined;
};

/** Thrown for bytes that are no message of the kind that is expected. */
export class MalformedMessage extends Error {
  override readonly name = "MalformedMessage";
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

const maxDepth = 64;

/** @param value - fields that are undefined are left out. */
export function encodeMessage<const Fields extends Schema>(schema: Fields, value: MessageValue<Fields>): Uint8Array {
  const bytes: number[] = [];
  writeFields(bytes, schema, value as Readonly<Record<string, unknown>>);
  return Uint8Array.from(bytes);
}

function writeFields(bytes: number[], schema: Schema, value: Readonly<Record<string, unknown>>): void {
  for (const [name, field] of Object.entries(schema)) {
    const given = value[name];
    if (given === undefined) continue;
    for (const single of field.repeated ? (given as readonly unknown[]) : [given]) writeField(bytes, field, single);
  }
}

function writeField(bytes: number[], { number, type }: Field, value: unknown): void {
  if (typeof type !== "string") {
    const inner: number[] = [];
    writeFields(inner, typeof type === "function" ? type() : type, value as Readonly<Record<string, unknown>>);
    writeBytes(bytes, number, inner);
  } else if (type === "string") {
    writeBytes(bytes, number, new TextEncoder().encode(value as string));
  } else if (type === "bytes") {
    writeBytes(bytes, number, value as Uint8Array);
  } else {
    writeVarint(bytes, BigInt(number * 8 + VARINT));
    // A negative number takes ten bytes, as one of 64 bits does.
    writeVarint(bytes, BigInt.asUintN(64, BigInt(value as number | bigint | boolean)));
  }
}

function writeBytes(bytes: number[], number: number, content: ArrayLike<number>): void {
  writeVarint(bytes, BigInt(number * 8 + LENGTH_DELIMITED));
  writeVarint(bytes, BigInt(content.length));
  for (let index = 0; index < content.length; index++) bytes.push(content[index] ?? 0);
}

function writeVarint(bytes: number[], value: bigint): void {
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
}

/**
 * Reads a message. Fields that the schema does not have are left out.
 *
 * @throws {@link MalformedMessage}
 */
export function decodeMessage<const Fields extends Schema>(schema: Fields, bytes: Uint8Array): MessageValue<Fields> {
  return readFields(new Reader(bytes), schema, 0) as MessageValue<Fields>;
}

function readFields(reader: Reader, schema: Schema, depth: number): Record<string, unknown> {
  if (depth > maxDepth) throw new MalformedMessage("messages are nested too deep");
  const value: Record<string, unknown> = {};
  while (!reader.isAtEnd) {
    const tag = Number(reader.varint());
    const number = Math.floor(tag / 8);
    const wireType = tag % 8;
    const entry = Object.entries(schema).find(([, field]) => field.number === number);
    if (entry === undefined) {
      reader.skip(wireType);
      continue;
    }
    const [name, field] = entry;
    const read = readField(reader, { field, wireType, depth });
    if (field.repeated) value[name] = [...((value[name] as unknown[] | undefined) ?? []), ...read];
    else if (value[name] === undefined) value[name] = read[0];
    else throw new MalformedMessage(`the field ${name} occurs twice`);
  }
  return value;
}

/** The value of a field; several where repeated numbers are packed. */
function readField(reader: Reader, at: { field: Field; wireType: number; depth: number }): unknown[] {
  const { field, wireType, depth } = at;
  const { type } = field;
  if (typeof type !== "string") {
    const inner = reader.expect(wireType, LENGTH_DELIMITED).bytes();
    return [readFields(new Reader(inner), typeof type === "function" ? type() : type, depth + 1)];
  }
  if (type === "bytes") return [reader.expect(wireType, LENGTH_DELIMITED).bytes()];
  if (type === "string") return [Buffer.from(reader.expect(wireType, LENGTH_DELIMITED).bytes()).toString("utf8")];
  if (field.repeated && wireType === LENGTH_DELIMITED) {
    const packed = new Reader(reader.bytes());
    const values: unknown[] = [];
    while (!packed.isAtEnd) values.push(scalarOf(type, packed.varint()));
    return values;
  }
  return [scalarOf(type, reader.expect(wireType, VARINT).varint())];
}

function scalarOf(type: Exclude<Scalar, "string" | "bytes">, value: bigint): number | bigint | boolean {
  if (type === "bool") return value !== 0n;
  if (type === "uint64") return value;
  return Number(type === "int32" ? BigInt.asIntN(32, value) : BigInt.asUintN(32, value));
}

/** Reads the parts of a message one after the other. */
class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  expect(wireType: number, wanted: number): this {
    if (wireType !== wanted) throw new MalformedMessage(`a field of wire type ${wireType}, not ${wanted}`);
    return this;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#offset++];
      if (byte === undefined) throw new MalformedMessage("the message is cut off");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new MalformedMessage("a number of more than ten bytes");
  }

  bytes(): Uint8Array {
    return this.#take(this.varint());
  }

  skip(wireType: number): void {
    if (wireType === VARINT) this.varint();
    else if (wireType === FIXED64) this.#take(8n);
    else if (wireType === LENGTH_DELIMITED) this.bytes();
    else if (wireType === FIXED32) this.#take(4n);
    else throw new MalformedMessage(`a field of wire type ${wireType}`);
  }

  #take(length: bigint): Uint8Array {
    if (length > BigInt(this.#bytes.length - this.#offset)) throw new MalformedMessage("the message is cut off");
    const start = this.#offset;
    this.#offset += Number(length);
    return this.#bytes.subarray(start, this.#offset);
  }
}
