/**
 * Interprets an eBPF program as the kernel would, for the instructions that device programs are made of, and with the
 * checks of the verifier that such a program could fail: jumps forward and inside, an answer at the end of each way.
 *
 * @param program - instructions of 8 bytes, little-endian.
 * @param context - the 32-bit words that the first register points to.
 * @returns register 0 at the exit.
 */
export function runEbpf(program: Uint8Array, context: readonly number[]): bigint {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const registers: (bigint | undefined)[] = [undefined, 0n];
  const read = (index: number): bigint => {
    const value = registers[index];
    if (value === undefined) throw new Error(`register ${index} is read before it is written`);
    return value;
  };
  for (let at = 0; ; at++) {
    if (at * 8 >= program.length) throw new Error("the program runs over its end");
    const op = view.getUint8(at * 8);
    const to = view.getUint8(at * 8 + 1) & 0xf;
    const from = view.getUint8(at * 8 + 1) >> 4;
    const offset = view.getInt16(at * 8 + 2, true);
    const number = BigInt.asUintN(64, BigInt(view.getInt32(at * 8 + 4, true)));
    if (offset < 0) throw new Error("the program goes back");
    switch (op) {
      case 0x61: {
        if (from !== 1 || offset % 4 !== 0) throw new Error("a load from elsewhere than the context");
        const word = context[offset / 4];
        if (word === undefined) throw new Error("a load beyond the context");
        registers[to] = BigInt(word);
        break;
      }
      case 0xb7:
        registers[to] = number;
        break;
      case 0xbf:
        registers[to] = read(from);
        break;
      case 0x57:
        registers[to] = read(to) & number;
        break;
      case 0x77:
        registers[to] = read(to) >> number;
        break;
      case 0x15:
        if (read(to) === number) at += offset;
        break;
      case 0x55:
        if (read(to) !== number) at += offset;
        break;
      case 0x95:
        return read(0);
      default:
        throw new Error(`instruction 0x${op.toString(16)} is of no device program`);
    }
  }
}

/** Indexes of instructions that no way leads to; the kernel's verifier refuses a program that has some. */
export function unreachable(program: Uint8Array): number[] {
  const count = program.length / 8;
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const reached = new Set<number>();
  const pending = [0];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (reached.has(at) || at >= count) continue;
    reached.add(at);
    const op = view.getUint8(at * 8);
    if (op === 0x95) continue;
    pending.push(at + 1);
    if (op === 0x15 || op === 0x55) pending.push(at + 1 + view.getInt16(at * 8 + 2, true));
  }
  return Array.from({ length: count }, (_, index) => index).filter((index) => !reached.has(index));
}
