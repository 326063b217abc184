import { spawn } from "node:child_process";
import { Duplex } from "node:stream";
import WebSocket from "ws";
import { waitUntil } from "../../harness/patience.ts";
import type { Scene } from "./scene.ts";

/** The first byte of each frame of the protocol `v4.channel.k8s.io`. */
const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

/** A connection with a process in a container, over the streaming server of the container runtime interface. */
export class CriStream {
  readonly #socket: WebSocket;
  /** How the process ended, once the server has said so. */
  readonly exitCode: Promise<number>;
  stdout = "";
  stderr = "";

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    let said = "";
    socket.on("message", (data: Buffer) => {
      const text = data.subarray(1).toString();
      if (data[0] === channel.stdout) this.stdout += text;
      if (data[0] === channel.stderr) this.stderr += text;
      if (data[0] === channel.error) said += text;
    });
    this.exitCode = new Promise((fulfil, reject) => {
      socket.once("error", reject);
      socket.once("close", () => {
        try {
          fulfil(exitCodeOf(said));
        } catch (error) {
          reject(error);
        }
      });
    });
    // A test that is not about the end does not look at it.
    this.exitCode.catch(() => undefined);
  }

  /** @param url - as the server has given it; its address is one of the scene. */
  static async open(scene: Scene, url: string): Promise<CriStream> {
    const { hostname, port } = new URL(url);
    const [program = "", ...args] = scene.argv(["busybox", "nc", hostname, port]);
    const relay = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    const socket = new WebSocket(url.replace(/^http/, "ws"), "v4.channel.k8s.io", {
      createConnection: () => Duplex.from({ readable: relay.stdout, writable: relay.stdin }),
    });
    socket.once("close", () => relay.kill());
    const stream = new CriStream(socket);
    await new Promise((fulfil, reject) => {
      socket.once("open", fulfil);
      socket.once("error", reject);
    });
    return stream;
  }

  /** Writes to the process's standard input. */
  type(text: string): void {
    this.#socket.send(Buffer.concat([Buffer.of(channel.stdin), Buffer.from(text)]));
  }

  /** Changes the size of its terminal. */
  resize(rows: number, columns: number): void {
    const size = JSON.stringify({ Height: rows, Width: columns });
    this.#socket.send(Buffer.concat([Buffer.of(channel.resize), Buffer.from(size)]));
  }

  /** Waits until its standard output has had a text. */
  async see(text: string): Promise<void> {
    await waitUntil({
      look: () => this.stdout,
      until: (seen) => seen.includes(text),
      complain: (seen) => `${JSON.stringify(text)} was not seen in ${JSON.stringify(seen)}`,
    });
  }

  /** Types a command line again and again until its answer is there, which may take a moment to become true. */
  async ask(commandLine: string, answer: string): Promise<void> {
    await waitUntil({
      look: () => {
        if (!this.stdout.includes(answer)) this.type(`${commandLine}\r`);
        return this.stdout;
      },
      until: (seen) => seen.includes(answer),
      complain: (seen) => `${commandLine} did not answer ${JSON.stringify(answer)}, but ${JSON.stringify(seen)}`,
      everyMs: 500,
    });
  }

  close(): void {
    this.#socket.close();
  }
}

/** The exit code in what the error channel says at the end. */
function exitCodeOf(text: string): number {
  const status = JSON.parse(text) as {
    status: string;
    message?: string;
    details?: { causes?: readonly { reason?: string; message?: string }[] };
  };
  if (status.status === "Success") return 0;
  const cause = status.details?.causes?.find(({ reason }) => reason === "ExitCode");
  if (cause === undefined) throw new Error(status.message ?? text);
  return Number(cause.message);
}
