import { closeSync } from "node:fs";
import { SyscallError } from "@runlet/errors";
import { binding } from "./binding.ts";
import { check } from "./check.ts";
import { receiveMessage, sendMessage } from "./socket.ts";

interface NetlinkBinding {
  openNetlink(namespaceFd: number): number;
}

/** A message of netlink(7) without its head: type, and what follows the head. */
export interface NetlinkMessage {
  /** `RTM_*` of rtnetlink(7). */
  readonly type: number;
  readonly payload: Uint8Array;
}

/** What {@link NetlinkSocket.request} sends. */
export interface NetlinkRequest extends NetlinkMessage {
  /** `NLM_F_*` besides NLM_F_REQUEST and NLM_F_ACK. With {@link NLM_F_DUMP} the answer is a list. */
  readonly flags?: number;
}

/** All objects of a kind. */
export const NLM_F_DUMP = 0x300;
/** Of a new object: one that exists is changed. */
export const NLM_F_REPLACE = 0x100;
/** Of a new object: one that does not exist is made. */
export const NLM_F_CREATE = 0x400;

const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const headBytes = 16;
/** The kernel puts no more than this into one part of a list. */
const maxPartBytes = 32_768;
const EPROTO = 71;

/** The kernel's network configuration: a socket of NETLINK_ROUTE, in the byte order of x86_64 and aarch64. */
export class NetlinkSocket implements Disposable {
  readonly #fd: number;
  #sequence = 0;

  /**
   * @param namespaceFd - the network namespace, or -1 for the caller's own; stays the caller's. No thread of this process
   *   that anything else runs on enters it.
   * @throws {@link SyscallError} `EPERM` without CAP_SYS_ADMIN over the namespace.
   */
  constructor(namespaceFd = -1) {
    this.#fd = check(binding<NetlinkBinding>().openNetlink(namespaceFd), namespaceFd < 0 ? "socket" : "setns");
  }

  /**
   * Sends a request and reads the answer, which the kernel has ready at once.
   *
   * @returns the messages of the answer, without the acknowledgement.
   * @throws {@link SyscallError} with the error number of the answer.
   */
  request(request: NetlinkRequest): NetlinkMessage[] {
    const sequence = ++this.#sequence;
    sendMessage(this.#fd, encode(request, sequence));
    const answers: NetlinkMessage[] = [];
    for (;;) {
      const part = receiveMessage(this.#fd, maxPartBytes);
      if (part === null) throw new SyscallError("recvmsg", EPROTO);
      if (readPart(part.bytes, sequence, answers)) return answers;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function encode({ type, payload, flags = 0 }: NetlinkRequest, sequence: number): Uint8Array {
  const bytes = new Uint8Array(headBytes + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_ACK | flags, true);
  view.setUint32(8, sequence, true);
  bytes.set(payload, headBytes);
  return bytes;
}

/** @returns whether the answer is complete. */
function readPart(bytes: Uint8Array, sequence: number, answers: NetlinkMessage[]): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + headBytes <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < headBytes || at + length > bytes.length) throw new SyscallError("recvmsg", EPROTO);
    const type = view.getUint16(at + 4, true);
    if (view.getUint32(at + 8, true) === sequence) {
      if (type === NLMSG_DONE) return true;
      if (type === NLMSG_ERROR) {
        const error = view.getInt32(at + headBytes, true);
        if (error !== 0) throw new SyscallError("sendmsg", -error);
        return true;
      }
      answers.push({ type, payload: bytes.slice(at + headBytes, at + length) });
    }
    at += align(length);
  }
  return false;
}

/** One attribute of a message: a number, and bytes whose meaning the number tells. */
export interface NetlinkAttribute {
  readonly type: number;
  readonly value: Uint8Array;
}

const attributeHeadBytes = 4;
/** Whether it holds attributes, and whether it is in network byte order; no part of the number. */
const NLA_TYPE_MASK = 0x3fff;

function align(length: number): number {
  return (length + 3) & ~3;
}

/** A fixed structure and the attributes behind it, as a payload. */
export function encodeAttributes(structure: Uint8Array, attributes: readonly NetlinkAttribute[]): Uint8Array {
  const length = attributes.reduce(
    (sum, { value }) => sum + attributeHeadBytes + align(value.length),
    structure.length,
  );
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes.set(structure);
  let at = structure.length;
  for (const { type, value } of attributes) {
    view.setUint16(at, attributeHeadBytes + value.length, true);
    view.setUint16(at + 2, type, true);
    bytes.set(value, at + attributeHeadBytes);
    at += attributeHeadBytes + align(value.length);
  }
  return bytes;
}

/** The attributes behind the fixed structure of a payload, by their numbers. */
export function decodeAttributes(payload: Uint8Array, structureBytes: number): Map<number, Uint8Array> {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = new Map<number, Uint8Array>();
  for (let at = structureBytes; at + attributeHeadBytes <= payload.length; ) {
    const length = view.getUint16(at, true);
    if (length < attributeHeadBytes || at + length > payload.length) break;
    attributes.set(view.getUint16(at + 2, true) & NLA_TYPE_MASK, payload.slice(at + attributeHeadBytes, at + length));
    at += align(length);
  }
  return attributes;
}
