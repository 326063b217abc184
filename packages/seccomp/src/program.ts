// Decisions as a graph without cycles, where equal parts exist once, and its translation to classic BPF.

/** `BPF_LD | BPF_W | BPF_ABS` */
export const LOAD = 0x20;
/** `BPF_ALU | BPF_AND | BPF_K` */
export const AND = 0x54;
/** `BPF_JMP | BPF_JA` */
export const JUMP = 0x05;
/** `BPF_JMP | BPF_JEQ | BPF_K` */
export const JEQ = 0x15;
/** `BPF_JMP | BPF_JGT | BPF_K` */
export const JGT = 0x25;
/** `BPF_JMP | BPF_JGE | BPF_K` */
export const JGE = 0x35;
/** `BPF_JMP | BPF_JSET | BPF_K` */
export const JSET = 0x45;
/** `BPF_RET | BPF_K` */
export const RETURN = 0x06;

/** Most instructions that the kernel takes (`BPF_MAXINSNS`). */
export const longestProgram = 4096;

const everyBit = 0xffff_ffff;
const farthestJump = 255;

/** A comparison of a word of `struct seccomp_data`. */
export interface Comparison {
  /** Where the word lies in `struct seccomp_data`. */
  readonly offset: number;
  readonly mask: number;
  readonly jump: typeof JEQ | typeof JGT | typeof JGE;
  readonly value: number;
}

interface Node {
  /** Undefined for a return. */
  readonly comparison: Comparison | undefined;
  /** What a return gives. */
  readonly value: number;
  readonly whenTrue: number;
  readonly whenFalse: number;
}

/** A graph of decisions that grows from its ends: a node is made after those that it leads to. */
export class Program {
  readonly #nodes: Node[] = [];
  readonly #returns = new Map<number, number>();
  readonly #comparisons = new Map<string, number>();

  /** A node that ends the program with a `SECCOMP_RET_*` value. */
  addReturn(value: number): number {
    let node = this.#returns.get(value);
    if (node === undefined) {
      node = this.#nodes.push({ comparison: undefined, value, whenTrue: -1, whenFalse: -1 }) - 1;
      this.#returns.set(value, node);
    }
    return node;
  }

  /** A node that goes on by a comparison; none is made where the outcome is known. */
  addComparison(comparison: Comparison, whenTrue: number, whenFalse: number): number {
    const { offset, mask, jump, value } = comparison;
    if (whenTrue === whenFalse) return whenTrue;
    if (jump === JEQ && mask === 0) return value === 0 ? whenTrue : whenFalse;
    if (jump === JGE && value === 0) return whenTrue;
    if (jump === JGT && value === everyBit) return whenFalse;
    const key = `${offset},${mask},${jump},${value},${whenTrue},${whenFalse}`;
    let node = this.#comparisons.get(key);
    if (node === undefined) {
      node = this.addUniqueComparison(comparison, whenTrue, whenFalse);
      this.#comparisons.set(key, node);
    }
    return node;
  }

  /** As {@link addComparison}, for a comparison that there is only one of, and whose outcome is not known. */
  addUniqueComparison(comparison: Comparison, whenTrue: number, whenFalse: number): number {
    return this.#nodes.push({ comparison, value: 0, whenTrue, whenFalse }) - 1;
  }

  /**
   * Translates what can be reached from a node.
   *
   * @returns instructions of `struct sock_filter`, 8 bytes each, little-endian. May be longer than the kernel takes.
   */
  assemble(root: number): Uint8Array {
    const order = this.#sort(root);
    return encode(new Assembler(this.#nodes, this.#findLoads(order)).assemble(order));
  }

  /** The nodes that `root` leads to, each after those that it leads to itself: the order in which they were made. */
  #sort(root: number): number[] {
    const isReached = new Uint8Array(root + 1);
    isReached[root] = 1;
    const order: number[] = [];
    for (let index = root; index >= 0; index--) {
      if (isReached[index] === 0) continue;
      order.push(index);
      const { comparison, whenTrue, whenFalse } = this.#nodes[index] as Node;
      if (comparison === undefined) continue;
      isReached[whenTrue] = 1;
      isReached[whenFalse] = 1;
    }
    return order.reverse();
  }

  /** For each node whether it must load its word: not where every way to it leaves that word in the accumulator. */
  #findLoads(order: readonly number[]): Uint8Array {
    const nodes = this.#nodes;
    const needsLoad = new Uint8Array(nodes.length);
    needsLoad[order[order.length - 1] as number] = 1;
    for (let position = order.length - 1; position >= 0; position--) {
      const { comparison, whenTrue, whenFalse } = nodes[order[position] as number] as Node;
      if (comparison === undefined) continue;
      if (isOtherWord(comparison, nodes[whenTrue])) needsLoad[whenTrue] = 1;
      if (isOtherWord(comparison, nodes[whenFalse])) needsLoad[whenFalse] = 1;
    }
    return needsLoad;
  }
}

/** Whether a node looks at another word than a comparison has left in the accumulator. */
function isOtherWord({ offset, mask }: Comparison, next: Node | undefined): boolean {
  const wanted = next?.comparison;
  return wanted !== undefined && (wanted.offset !== offset || wanted.mask !== mask);
}

/** Writes instructions from the last to the first, so that every target of a jump is there when the jump is written. */
class Assembler {
  readonly #nodes: readonly Node[];
  readonly #needsLoad: Uint8Array;
  /** Instructions in reverse, two words each: `k`, then the code with both distances. */
  readonly #reversed: number[] = [];
  /** For each node how many instructions there were after its first one was written. */
  readonly #positions: Int32Array;
  #length = 0;

  constructor(nodes: readonly Node[], needsLoad: Uint8Array) {
    this.#nodes = nodes;
    this.#needsLoad = needsLoad;
    this.#positions = new Int32Array(nodes.length);
  }

  assemble(order: readonly number[]): number[] {
    for (const index of order) {
      const { comparison, value, whenTrue, whenFalse } = this.#nodes[index] as Node;
      if (comparison === undefined) this.#push(RETURN, value);
      else {
        this.#pushJump(comparison, whenTrue, whenFalse);
        if (this.#needsLoad[index] === 1) {
          if (comparison.mask !== everyBit) this.#push(AND, comparison.mask);
          this.#push(LOAD, comparison.offset);
        }
      }
      this.#positions[index] = this.#length;
    }
    return this.#reversed;
  }

  #push(code: number, k: number): void {
    this.#reversed.push(k, code);
    this.#length++;
  }

  #pushJump({ jump, value }: Comparison, whenTrue: number, whenFalse: number): void {
    const positions = this.#positions;
    if (this.#length - (positions[whenTrue] as number) > farthestJump - 2) this.#bringNear(whenTrue);
    if (this.#length - (positions[whenFalse] as number) > farthestJump - 1) this.#bringNear(whenFalse);
    const jt = this.#length - (positions[whenTrue] as number);
    const jf = this.#length - (positions[whenFalse] as number);
    this.#push(jump + jt * 0x1_0000 + jf * 0x100_0000, value);
  }

  /** Conditional jumps reach 255 instructions: what is farther is repeated (a return) or jumped to from here. */
  #bringNear(node: number): void {
    const { comparison, value } = this.#nodes[node] as Node;
    if (comparison === undefined) this.#push(RETURN, value);
    else this.#push(JUMP, this.#length - (this.#positions[node] as number));
    this.#positions[node] = this.#length;
  }
}

function encode(reversed: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(reversed.length * 4);
  const view = new DataView(bytes.buffer);
  let offset = bytes.length;
  for (const word of reversed) {
    offset -= 4;
    view.setUint32(offset, word, true);
  }
  return bytes;
}
