import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type CriuRequest,
  type CriuResponse,
  requestFields,
  requestTypes,
  responseFields,
} from "../src/checkpoint/criu-message.ts";
import { decodeMessage, encodeMessage } from "../src/checkpoint/protobuf.ts";
import { temporaryDirectory } from "./criu-image.ts";

/** What stands in for CRIU: it gives the answers that it was told to give, and writes down what it was asked. */
export interface FakeCriu {
  readonly hostPath: string;
  /** What it was asked, of all its processes, in order. */
  requests(): CriuRequest[];
  /** The arguments and the environment of the last process. */
  lastCall(): { args: string[]; env: Record<string, string> };
}

/**
 * @param answers - by type of request, in order; after a notification it waits for the reply. A type without answers ends the
 *   process at once.
 * @param options.hangsAfter - type of request after whose answers it does not end.
 */
export function makeFakeCriu(
  answers: Readonly<Record<number, readonly CriuResponse[]>>,
  { hangsAfter }: { readonly hangsAfter?: number } = {},
): FakeCriu {
  const directory = temporaryDirectory();
  const hostPath = join(directory, "criu");
  const encoded = Object.fromEntries(
    Object.entries(answers).map(([type, messages]) => [
      type,
      messages.map((message) => ({
        hex: Buffer.from(encodeMessage(responseFields, message)).toString("hex"),
        isNotification: message.type === requestTypes.NOTIFY,
      })),
    ]),
  );
  writeFileSync(hostPath, program(directory, JSON.stringify(encoded), hangsAfter ?? -1));
  chmodSync(hostPath, 0o755);
  return {
    hostPath,
    requests: () => {
      const log = join(directory, "requests");
      if (!existsSync(log)) return [];
      const lines = readFileSync(log, "utf8").trim().split("\n");
      return lines.map((line) => decodeMessage(requestFields, Buffer.from(line, "hex")));
    },
    lastCall: () => JSON.parse(readFileSync(join(directory, "call"), "utf8")),
  };
}

/** The type of a request is its first field. */
function program(directory: string, answers: string, hangsAfter: number): string {
  return `#!${process.execPath}
const fs = require("node:fs");
const directory = ${JSON.stringify(directory)};
const answers = ${answers};
fs.writeFileSync(directory + "/call", JSON.stringify({ args: process.argv.slice(2), env: process.env }));
const socket = Number(process.argv[3]);
const buffer = Buffer.alloc(65536);
const receive = () => {
  const length = fs.readSync(socket, buffer, 0, buffer.length, null);
  if (length > 0) fs.appendFileSync(directory + "/requests", buffer.subarray(0, length).toString("hex") + "\\n");
  return length > 0 ? buffer[1] : null;
};
const type = receive();
for (const { hex, isNotification } of answers[type] ?? []) {
  fs.writeSync(socket, Buffer.from(hex, "hex"));
  if (isNotification) receive();
}
if (type === ${hangsAfter}) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
process.exit(answers[type] === undefined ? 3 : 0);
`;
}
