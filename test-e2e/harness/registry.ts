import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage } from "node:http";
import { connect as connectTo, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { waitUntil } from "./patience.ts";

/** How a registry is to be. */
export interface RegistryOptions {
  /** Who may log in, with the password; without it everybody may do everything. */
  readonly user?: { readonly name: string; readonly password: string };
  /** Talks TLS, by a certificate of its own making. */
  readonly hasTls?: boolean;
}

/** A real registry, Debian's docker-registry, on this machine. */
export class Registry implements AsyncDisposable {
  /** Host and port. */
  readonly host: string;
  /** The certificate, where it talks TLS. */
  readonly certificatePath: string;
  readonly #child: ChildProcess;

  private constructor(host: string, directory: string, child: ChildProcess) {
    this.host = host;
    this.certificatePath = join(directory, "certificate.pem");
    this.#child = child;
  }

  /** @param directory - where it keeps everything; made, and left to the caller. */
  static async start(directory: string, options: RegistryOptions = {}): Promise<Registry> {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "config.json"), JSON.stringify(configOf(directory, options)));
    const logPath = join(directory, "log");
    const logFd = openSync(logPath, "w");
    // It ends with the tests, even if these are killed.
    const args = ["--pdeathsig", "KILL", "docker-registry", "serve", join(directory, "config.json")];
    const child = spawn("setpriv", args, { stdio: ["ignore", logFd, logFd] });
    closeSync(logFd);
    const log = await waitUntil({
      look: () => readFileSync(logPath, "utf8"),
      until: (seen) => listeningPattern.test(seen) || child.exitCode !== null,
      complain: (seen) => `docker-registry does not listen: ${seen}`,
    });
    const host = listeningPattern.exec(log)?.[1];
    if (host === undefined) throw new Error(`docker-registry does not start: ${log}`);
    return new Registry(host, directory, child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }
}

/** What it logs once it can be talked to, at a port of the kernel's choice. */
const listeningPattern = /listening on (127\.0\.0\.1:\d+)/;

/** JSON is YAML too. */
function configOf(directory: string, { user, hasTls = false }: RegistryOptions): object {
  const within = (name: string) => join(directory, name);
  if (user !== undefined) {
    const line = execFileSync("htpasswd", ["-Bbn", user.name, user.password], { encoding: "utf8" });
    writeFileSync(within("htpasswd"), line);
  }
  if (hasTls) {
    const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:registry.test"];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", within("key.pem")];
    const args = ["req", "-x509", ...key, ...subject, "-days", "2", "-out", within("certificate.pem")];
    execFileSync("openssl", args, { stdio: "ignore" });
  }
  return {
    version: "0.1",
    log: { level: "info", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: within("storage") } },
    http: {
      addr: "127.0.0.1:0",
      ...(hasTls ? { tls: { certificate: within("certificate.pem"), key: within("key.pem") } } : {}),
    },
    ...(user === undefined ? {} : { auth: { htpasswd: { realm: "tests", path: within("htpasswd") } } }),
  };
}

/** A proxy that sends every tunnel to one server, whatever name it was asked for. */
export class TunnelProxy implements AsyncDisposable {
  /** What was asked for: the authority, and the proxy's own credentials. */
  readonly seen: string[] = [];
  readonly #server: HttpServer;

  private constructor(target: string) {
    this.#server = createHttpServer((_request, response) => response.writeHead(400).end());
    this.#server.on("connect", (request: IncomingMessage, near: Socket) => {
      this.seen.push(`${request.url} ${request.headers["proxy-authorization"]}`);
      const far = connectTo(Number(target.split(":")[1]), "127.0.0.1", () => near.write("HTTP/1.1 200 OK\r\n\r\n"));
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        socket.on("error", () => {});
        socket.on("close", () => other.destroy());
        socket.pipe(other);
      }
    });
  }

  /** @param target - `127.0.0.1:PORT` of the server. */
  static async open(target: string): Promise<TunnelProxy> {
    const proxy = new TunnelProxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get host(): string {
    return `127.0.0.1:${portOf(this.#server)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

/** Passes connections on to a server, and counts, stops or ends what comes back. */
export class Gate implements AsyncDisposable {
  /** What has come back from the server, in bytes. */
  passedBytes = 0;
  /** After so many bytes nothing more comes back, but the connection stays. */
  stopAfterBytes = Number.POSITIVE_INFINITY;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number) {
    this.#server = createServer((near) => {
      const far = connectTo(port, "127.0.0.1");
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          this.#sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      near.pipe(far);
      far.on("data", (chunk: Buffer) => {
        if (this.passedBytes >= this.stopAfterBytes) return;
        this.passedBytes += chunk.length;
        if (!near.write(chunk)) {
          far.pause();
          near.once("drain", () => far.resume());
        }
      });
    });
  }

  /** @param host - `127.0.0.1:PORT` of the server. */
  static async open(host: string): Promise<Gate> {
    const gate = new Gate(Number(host.split(":")[1]));
    gate.#server.listen(0, "127.0.0.1");
    await once(gate.#server, "listening");
    return gate;
  }

  get host(): string {
    return `127.0.0.1:${portOf(this.#server)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}
