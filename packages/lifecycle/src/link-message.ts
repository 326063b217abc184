import {
  decodeAttributes,
  encodeAttributes,
  type NetlinkAttribute,
  type NetlinkRequest,
  type NetlinkSocket,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REPLACE,
} from "@runlet/syscall";

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;

/** `struct ifinfomsg`. */
const linkBytes = 16;
const IFF_UP = 0x1;
const IFLA_IFNAME = 3;
const IFLA_NET_NS_FD = 28;

/** `struct ifaddrmsg`. */
const addressBytes = 8;
const IFA_LABEL = 3;
const IFA_FLAGS = 8;
/** What an address is: itself, the other end's, label, broadcast address, metric of its route. Not its lifetime, see below. */
const keptAttributes = [1, 2, IFA_LABEL, 4, 9] as const;
const IFA_F_PERMANENT = 0x80;
/** NODAD, HOMEADDRESS, MANAGETEMPADDR, NOPREFIXROUTE, MCAUTOJOIN; the other flags are the kernel's to set. */
const keptFlags = 0x02 | 0x10 | 0x100 | 0x200 | 0x400;
const RT_SCOPE_UNIVERSE = 0;

/** A network device, rtnetlink(7). */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly isUp: boolean;
}

/** An address of a network device that outlives a change of its namespace. */
export interface LinkAddress {
  /** AF_INET or AF_INET6. */
  readonly family: number;
  readonly prefixLength: number;
  /** `IFA_F_*`. */
  readonly flags: number;
  readonly attributes: readonly NetlinkAttribute[];
}

/** What {@link setLink} changes. */
export interface LinkChange {
  readonly name?: string;
  /** A descriptor of the namespace that it moves to. The kernel takes its addresses from it and brings it down. */
  readonly namespaceFd?: number;
  readonly isUp?: true;
}

const encoder = new TextEncoder();

function textValue(text: string): Uint8Array {
  return encoder.encode(`${text}\0`);
}

function u32Value(number: number): Uint8Array {
  const value = new Uint8Array(4);
  new DataView(value.buffer).setUint32(0, number, true);
  return value;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The device of a name. @throws SyscallError `ENODEV` */
export function findLink(socket: NetlinkSocket, name: string): Link {
  const attributes = [{ type: IFLA_IFNAME, value: textValue(name) }];
  const payload = encodeAttributes(new Uint8Array(linkBytes), attributes);
  const [answer] = socket.request({ type: RTM_GETLINK, payload });
  if (answer === undefined) throw new Error(`the kernel says nothing of the network device ${name}`);
  const view = viewOf(answer.payload);
  return { index: view.getInt32(4, true), name, isUp: (view.getUint32(8, true) & IFF_UP) !== 0 };
}

/**
 * Changes a device, in this order: namespace, name, state.
 *
 * @throws SyscallError `EEXIST` for a name that is taken, `EINVAL` for a device that cannot leave its namespace or a name
 *   that is none, `EPERM` without CAP_NET_ADMIN over both namespaces.
 */
export function setLink(socket: NetlinkSocket, index: number, { name, namespaceFd, isUp }: LinkChange): void {
  const structure = new Uint8Array(linkBytes);
  const view = viewOf(structure);
  view.setInt32(4, index, true);
  if (isUp) {
    view.setUint32(8, IFF_UP, true);
    view.setUint32(12, IFF_UP, true);
  }
  const attributes: NetlinkAttribute[] = [];
  if (namespaceFd !== undefined) attributes.push({ type: IFLA_NET_NS_FD, value: u32Value(namespaceFd) });
  if (name !== undefined) attributes.push({ type: IFLA_IFNAME, value: textValue(name) });
  socket.request({ type: RTM_NEWLINK, payload: encodeAttributes(structure, attributes) });
}

/** The permanent addresses of a device with global scope. @see config-linux.md#network-devices */
export function listAddresses(socket: NetlinkSocket, index: number): LinkAddress[] {
  const answers = socket.request({ type: RTM_GETADDR, flags: NLM_F_DUMP, payload: new Uint8Array(addressBytes) });
  const addresses: LinkAddress[] = [];
  for (const { payload } of answers) {
    const view = viewOf(payload);
    const attributes = decodeAttributes(payload, addressBytes);
    const flagsValue = attributes.get(IFA_FLAGS);
    const flags = flagsValue === undefined ? view.getUint8(2) : viewOf(flagsValue).getUint32(0, true);
    if (view.getUint32(4, true) !== index || view.getUint8(3) !== RT_SCOPE_UNIVERSE) continue;
    if ((flags & IFA_F_PERMANENT) === 0) continue;
    addresses.push({
      family: view.getUint8(0),
      prefixLength: view.getUint8(1),
      flags: flags & keptFlags,
      attributes: keptAttributes.flatMap((type) => {
        const value = attributes.get(type);
        return value === undefined ? [] : [{ type, value }];
      }),
    });
  }
  return addresses;
}

/**
 * Gives a device an address. Without a lifetime it is permanent.
 *
 * @param names - of the device when the address was listed, and of the device that gets it: a label begins with the name.
 */
export function addAddress(
  socket: NetlinkSocket,
  index: number,
  address: LinkAddress,
  names: { readonly before: string; readonly after: string },
): void {
  const structure = new Uint8Array(addressBytes);
  const view = viewOf(structure);
  view.setUint8(0, address.family);
  view.setUint8(1, address.prefixLength);
  view.setUint32(4, index, true);
  const attributes = address.attributes.flatMap((attribute) =>
    attribute.type === IFA_LABEL ? relabel(attribute, names) : [attribute],
  );
  attributes.push({ type: IFA_FLAGS, value: u32Value(address.flags) });
  const request: NetlinkRequest = {
    type: RTM_NEWADDR,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    payload: encodeAttributes(structure, attributes),
  };
  socket.request(request);
}

/** IFNAMSIZ with its NUL. */
const longestNameBytes = 15;

/** `eth0:1` is `net1:1` once eth0 is net1. A label that is the device's name is what the kernel gives without one. */
function relabel({ type, value }: NetlinkAttribute, { before, after }: { before: string; after: string }) {
  const label = new TextDecoder().decode(value.subarray(0, -1));
  if (label === before || !label.startsWith(before)) return [];
  const renamed = `${after}${label.slice(before.length)}`;
  return encoder.encode(renamed).length > longestNameBytes ? [] : [{ type, value: textValue(renamed) }];
}
