import type { Agent, AgentOptions } from "node:https";
import type { Duplex } from "node:stream";
import type { ConnectionOptions } from "node:tls";
import { quote } from "@runlet/errors";
import { proxyAuthorization } from "./proxy.ts";

/** What a {@link openTunnelAgent | tunnel} needs. */
export interface TunnelOptions {
  readonly proxy: URL;
  /** How long the proxy may take. */
  readonly timeoutMs: number;
  /** For the connections through the tunnel; a proxy that talks TLS is trusted by the same authorities, and by no others. */
  readonly agent: AgentOptions;
}

/**
 * Makes an agent whose connections go through a proxy, which sees the name of the server and nothing else: TLS is spoken
 * through it.
 *
 * @see RFC 9110 section 9.3.6 (CONNECT)
 */
export async function openTunnelAgent(options: TunnelOptions): Promise<Agent> {
  const [https, tls] = await Promise.all([import("node:https"), import("node:tls")]);
  class TunnelAgent extends https.Agent {
    override createConnection(
      connection: ConnectionOptions,
      callback?: (error: Error | null, stream: Duplex) => void,
    ): undefined {
      const { host = "", port = 443 } = connection;
      const done = callback as ((error: Error | null, stream?: Duplex) => void) | undefined;
      openTunnel(options, `${host.includes(":") ? `[${host}]` : host}:${port}`).then(
        (socket) => done?.(null, tls.connect({ ...connection, socket })),
        (error: Error) => done?.(error),
      );
    }
  }
  return new TunnelAgent(options.agent);
}

async function openTunnel({ proxy, timeoutMs, agent }: TunnelOptions, authority: string): Promise<Duplex> {
  const { request } = await (proxy.protocol === "https:" ? import("node:https") : import("node:http"));
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: proxy.hostname.replace(/^\[|\]$/g, ""),
      port: proxy.port || (proxy.protocol === "https:" ? 443 : 80),
      method: "CONNECT",
      path: authority,
      headers: { host: authority, ...proxyAuthorization(proxy) },
      agent: false,
      ...(agent.ca === undefined ? {} : { ca: agent.ca }),
    });
    const fail = (message: string, code: string) => {
      clearTimeout(timer);
      outgoing.destroy();
      reject(Object.assign(new Error(`the proxy ${quote(proxy.host)} ${message}`), { code }));
    };
    const timer = setTimeout(() => fail("does not answer", "ETIMEDOUT"), timeoutMs);
    outgoing.on("connect", ({ statusCode = 0 }, socket) => {
      if (statusCode < 200 || statusCode >= 300) return fail(`answers ${statusCode}`, "ERR_PROXY");
      clearTimeout(timer);
      resolve(socket);
    });
    // A refusal may come as an ordinary answer.
    outgoing.on("response", ({ statusCode }) => fail(`answers ${statusCode}`, "ERR_PROXY"));
    outgoing.on("error", (error: NodeJS.ErrnoException) => fail(`is not there: ${error.message}`, error.code ?? ""));
    outgoing.end();
  });
}
