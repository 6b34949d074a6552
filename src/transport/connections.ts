import { Agent as HttpAgent, request as httpRequest, type RequestOptions } from "node:http";
import { withoutUndefined } from "../base/defined.ts";
import { GantryError } from "../base/error.ts";
import { Peers, publicLookup } from "./peers.ts";
import { proxyFor } from "./proxy.ts";
import type { Hop } from "./redirect.ts";
import { Secrets } from "./secrets.ts";
import { TlsContexts, type TlsOptions } from "./tls.ts";

export interface ConnectionOptions extends TlsOptions {
  /** The proxy for a URL. Default: by HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
  readonly proxy?: ((url: URL) => URL | undefined) | undefined;
}

/** How long idle connections are kept after their last client is closed. Node's servers close theirs after 5 s. */
const IDLE_MS = 4_000;

/** How one request is made. */
export interface Connection {
  readonly request: typeof httpRequest;
  readonly options: RequestOptions;
  readonly proxy: URL | undefined;
  /** Whether a client certificate is sent to a server that asks for one. */
  readonly certified: boolean;
}

/**
 * The agents of all transports of one identity. Sockets are shared only between requests that may see the same secrets.
 * Idle sockets do not keep the process alive.
 */
export class Connections {
  /** The secrets that any of the transports has sent: a server may repeat to one transport what another sent. */
  readonly secrets: Secrets = new Secrets();
  readonly peers: Peers = new Peers();
  readonly #options: ConnectionOptions;
  readonly #agents = new Map<string, HttpAgent>();
  readonly #contexts: TlsContexts;
  #users = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#contexts = new TlsContexts(options);
  }

  /**
   * Counts one more user.
   * @returns a function that ends this use; when the last use ends, all connections are closed, with `keepIdle` later
   */
  use(): (keepIdle: boolean) => void {
    clearTimeout(this.#idle);
    this.#users += 1;
    let using = true;
    return (keepIdle) => {
      if (!using) return;
      using = false;
      this.#users -= 1;
      if (this.#users > 0) return;
      if (keepIdle) this.#idle = setTimeout(() => this.close(), IDLE_MS).unref();
      else this.close();
    };
  }

  async to({ url, own, publicOnly }: Hop): Promise<Connection> {
    const proxy = (this.#options.proxy ?? proxyFor)(url);
    const secure = url.protocol === "https:";
    // A proxy resolves names itself. Only the name could be checked here, and redirect.ts has checked it.
    const guarded = publicOnly && !proxy;
    const secureContext = secure ? await this.#contexts.get(own) : undefined;
    // Without TLS, a socket to the registry itself carries no client certificate, so other requests may share it.
    const key = [url.protocol, secure && own, guarded, proxy?.href ?? ""].join(" ");
    let agent = this.#agents.get(key);
    if (!agent) {
      agent = await this.#agent(secure, proxy);
      this.#agents.set(key, agent);
    }
    return {
      request: secure ? ((await import("node:https")).request as typeof httpRequest) : httpRequest,
      proxy,
      certified: secure && own && (await this.#contexts.isCertified()),
      options: withoutUndefined({
        agent,
        secureContext,
        rejectUnauthorized: secure && own && this.#options.skipVerify ? false : undefined,
        lookup: guarded ? publicLookup : undefined,
      }),
    };
  }

  async #agent(secure: boolean, proxy: URL | undefined): Promise<HttpAgent> {
    const keepAlive = true;
    if (!proxy) return secure ? new (await import("node:https")).Agent({ keepAlive }) : new HttpAgent({ keepAlive });
    const trusted = proxy.protocol === "https:" ? await this.#options.ca?.() : undefined;
    const options = withoutUndefined({ keepAlive, ca: trusted && [...trusted] });
    if (!secure) return new (await import("http-proxy-agent")).HttpProxyAgent(proxy, options) as unknown as HttpAgent;
    const agent = new (await import("https-proxy-agent")).HttpsProxyAgent(proxy, options);
    // The answer of the proxy to a failed CONNECT must not be taken for the answer of the registry.
    agent.on("proxyConnect", (connect: { statusCode: number }, request?: { destroy(error: Error): void }) => {
      if (connect.statusCode === 200) return;
      const why = connect.statusCode === 407 ? "; put a user name and a password into HTTPS_PROXY" : "";
      request?.destroy(
        new GantryError("CONNECTION_FAILED", `the proxy ${proxy.host} answered ${connect.statusCode} to CONNECT${why}`),
      );
    });
    return agent as unknown as HttpAgent;
  }

  /** Closes all sockets and forgets certificates and addresses; the next request reads them again. */
  close(): void {
    clearTimeout(this.#idle);
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
    this.#contexts.reset();
    this.peers.clear();
  }
}
