import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import {
  cgroupFields,
  coreFields,
  idsFields,
  inventoryFields,
  mountFields,
  processFields,
} from "../src/checkpoint/image-message.ts";
import { encodeMessage, type MessageValue, type Schema } from "../src/checkpoint/protobuf.ts";

/** A directory that goes when the test ends; nobody but its owner can write to it. */
export function temporaryDirectory(): string {
  const hostPath = mkdtempSync(join(tmpdir(), "runlet-checkpoint-"));
  onTestFinished(() => rmSync(hostPath, { recursive: true, force: true }));
  return hostPath;
}

const commonMagic = 0x5456_4319;

/** A file of an image, as CRIU writes it. */
export function imageFile<const Fields extends Schema>(
  magic: number,
  schema: Fields,
  ...messages: readonly MessageValue<Fields>[]
): Buffer {
  const words = magic === 0x5831_3116 ? [magic] : [commonMagic, magic];
  const parts = messages.flatMap((message) => {
    const bytes = encodeMessage(schema, message);
    return [word(bytes.length), Buffer.from(bytes)];
  });
  return Buffer.concat([...words.map(word), ...parts]);
}

function word(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

/** What an image of one process says; each part can be replaced. */
export interface ImageParts {
  inventory: MessageValue<typeof inventoryFields>;
  processes: MessageValue<typeof processFields>[];
  ids: MessageValue<typeof idsFields>;
  core: MessageValue<typeof coreFields>;
  mounts: MessageValue<typeof mountFields>[];
  cgroups: MessageValue<typeof cgroupFields>;
}

/** The image of a container in namespaces of its own, as root without capabilities, with procfs and a bind mount. */
export function soundParts(): ImageParts {
  const none = [0, 0];
  return {
    inventory: {
      version: 2,
      rootIds: { pid: 1, network: 2, ipc: 3, uts: 4, time: 5, mount: 6, user: 7, cgroup: 8 },
      rootCgroupSet: 1,
    },
    processes: [{ pid: 1, parentPid: 0, threads: [1] }],
    ids: { pid: 9, network: 10, ipc: 11, uts: 12, time: 5, mount: 13, user: 7, cgroup: 14 },
    core: {
      task: { state: 1 },
      thread: {
        credentials: {
          ...{ uid: 0, gid: 0, euid: 0, egid: 0, suid: 0, sgid: 0, fsuid: 0, fsgid: 0 },
          ...{ inheritable: none, permitted: none, effective: none, bounding: none, groups: [] },
        },
      },
    },
    mounts: [
      { type: 5, mountId: 4, parentId: 2, flags: 1, root: "/", mountPoint: "/proc/acpi" },
      { type: 1, mountId: 3, parentId: 2, flags: 1, root: "/sys", mountPoint: "/proc/sys" },
      { type: 1, mountId: 2, parentId: 1, flags: 14, root: "/", mountPoint: "/proc" },
      { type: 17, mountId: 5, parentId: 1, flags: 0, root: "/host", mountPoint: "/data", externalKey: "/data" },
      { type: 17, mountId: 1, parentId: 99, flags: 0, root: "/bundle/rootfs", mountPoint: "/" },
    ],
    cgroups: {
      sets: [{ id: 2, members: [{ name: "", path: "/box/inner" }] }],
      controllers: [
        {
          names: [""],
          directories: [
            { name: "box", children: [{ name: "box/inner" }], properties: [{ name: "memory.max", value: "1" }] },
          ],
        },
      ],
    },
  };
}

/** Writes an image to a directory. */
export function writeImage(hostPath: string, parts: ImageParts): void {
  mkdirSync(hostPath, { recursive: true, mode: 0o700 });
  const files: Record<string, Buffer> = {
    "inventory.img": imageFile(0x5831_3116, inventoryFields, parts.inventory),
    "pstree.img": imageFile(0x5027_3030, processFields, ...parts.processes),
    "ids-1.img": imageFile(0x5443_2030, idsFields, parts.ids),
    "core-1.img": imageFile(0x5505_3847, coreFields, parts.core),
    "mountpoints-13.img": imageFile(0x5556_3928, mountFields, ...parts.mounts),
    "cgroup.img": imageFile(0x5938_3330, cgroupFields, parts.cgroups),
    "descriptors.json": Buffer.from('["/dev/null","pipe:[7]","/dev/null"]'),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(hostPath, name), content, { mode: 0o600 });
}
