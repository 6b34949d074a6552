import { type LookupAddress, type LookupOptions, lookup } from "node:dns";
import { Agent as HttpAgent, request as httpRequest, type RequestOptions } from "node:http";
import type { SecureContext } from "node:tls";
import { GantryError, messageOf } from "../base/error.ts";
import { isPrivateAddress } from "./addresses.ts";
import { proxyFor } from "./proxy.ts";
import { Secrets } from "./secrets.ts";

/** A certificate and its key, as PEM, that say who we are. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

/** What TLS goes by. */
export interface TlsOptions {
  /** The certificates to trust, as PEM; asked when TLS is first spoken. Default: those of Node. */
  readonly ca?: (() => Promise<readonly string[] | undefined>) | undefined;
  /** Shown to the registry itself and to no other host. */
  readonly clientCertificate?: (() => Promise<ClientCertificate | undefined>) | undefined;
  /** Believe whatever certificate the registry itself shows; others are checked all the same. */
  readonly skipVerify?: boolean | undefined;
  /** The proxy for a URL. Default: what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say. */
  readonly proxy?: ((url: URL) => URL | undefined) | undefined;
}

/** How long idle connections are kept that no client uses. Shorter than the 5 s after which Node's servers close them. */
const IDLE_MS = 4_000;

/** How one request is to be connected. */
export interface Route {
  /** Whether it goes to the registry itself, which alone sees our certificate. */
  readonly own: boolean;
  /** Whether a name must not resolve to a private address. */
  readonly publicOnly: boolean;
}

export interface Connection {
  readonly request: typeof httpRequest;
  readonly options: RequestOptions;
  readonly proxy: URL | undefined;
  /** Whether our certificate is shown to a server that asks for one. */
  readonly certified: boolean;
}

/**
 * The agents of transports that have one identity: sockets are shared only between requests that may see the same
 * secrets. Idle sockets do not keep the process alive.
 */
export class Connections {
  /** What any of its transports has sent: a server says back to one what it heard from another. */
  readonly secrets: Secrets = new Secrets();
  readonly #options: TlsOptions;
  readonly #agents = new Map<string, HttpAgent>();
  readonly #contexts = new Map<boolean, Promise<SecureContext>>();
  /** Where hosts were found when they were first connected to. */
  readonly #found = new Map<string, "private" | "public">();
  #certificate: Promise<ClientCertificate | undefined> | undefined;
  #users = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: TlsOptions) {
    this.#options = options;
  }

  /** Counts one more user. @returns ends that use; the last one closes everything, at once or after a while */
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

  /** Where a host was found; undefined where it was not connected to yet. */
  found(hostname: string): "private" | "public" | undefined {
    return this.#found.get(hostname);
  }

  /** A name that was found outside stays outside, whatever it resolves to later. */
  noteAddress(hostname: string, address: string): void {
    if (!this.#found.has(hostname)) this.#found.set(hostname, isPrivateAddress(address) ? "private" : "public");
  }

  async to(url: URL, route: Route): Promise<Connection> {
    const proxy = (this.#options.proxy ?? proxyFor)(url);
    const secure = url.protocol === "https:";
    // A proxy resolves names itself; all that can be looked at then is what was written.
    const guarded = route.publicOnly && !proxy;
    // Without TLS a socket has nothing of its own to show or to believe.
    const key = [url.protocol, secure && route.own, guarded, proxy?.href ?? ""].join(" ");
    const tls = secure && {
      secureContext: await this.#context(route.own),
      ...(route.own && this.#options.skipVerify && { rejectUnauthorized: false }),
    };
    let agent = this.#agents.get(key);
    if (!agent) {
      agent = await this.#agent(secure, proxy);
      this.#agents.set(key, agent);
    }
    const request = secure ? ((await import("node:https")).request as typeof httpRequest) : httpRequest;
    const certified = secure && route.own && (await this.#certificate) !== undefined;
    return { request, proxy, certified, options: { agent, ...tls, ...(guarded && { lookup: publicLookup }) } };
  }

  async #agent(secure: boolean, proxy: URL | undefined): Promise<HttpAgent> {
    if (!proxy)
      return secure ? new (await import("node:https")).Agent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
    const ca = proxy.protocol === "https:" ? await this.#options.ca?.() : undefined;
    const options = { keepAlive: true, ...(ca && { ca: [...ca] }) };
    if (!secure) return new (await import("http-proxy-agent")).HttpProxyAgent(proxy, options) as unknown as HttpAgent;
    const agent = new (await import("https-proxy-agent")).HttpsProxyAgent(proxy, options);
    // What the proxy says when it does not connect us is not what the registry says.
    agent.on("proxyConnect", (connect: { statusCode: number }, request?: { destroy(error: Error): void }) => {
      if (connect.statusCode === 200) return;
      const why = connect.statusCode === 407 ? "; it wants a name and a password in HTTPS_PROXY" : "";
      request?.destroy(
        new GantryError("CONNECTION_FAILED", `the proxy ${proxy.host} answered ${connect.statusCode} to CONNECT${why}`),
      );
    });
    return agent as unknown as HttpAgent;
  }

  #context(own: boolean): Promise<SecureContext> {
    let context = this.#contexts.get(own);
    if (!context) {
      context = this.#makeContext(own);
      this.#contexts.set(own, context);
      context.catch(() => this.#contexts.delete(own));
    }
    return context;
  }

  async #makeContext(own: boolean): Promise<SecureContext> {
    const { createSecureContext } = await import("node:tls");
    const ca = await this.#options.ca?.();
    if (own) this.#certificate ??= this.#options.clientCertificate?.();
    const certificate = own ? await this.#certificate : undefined;
    const trusted = { minVersion: "TLSv1.2", ...(ca && { ca: [...ca] }) } as const;
    if (!certificate) return createSecureContext(trusted);
    try {
      return createSecureContext({ ...trusted, ...certificate });
    } catch (error) {
      throw new GantryError(
        "CONFIG_INVALID",
        `the client certificate and its key cannot be used: ${messageOf(error)}; \`gantry explain\` tells which they are`,
      );
    }
  }

  /** Closes all sockets and forgets what was read; the next request starts anew. */
  close(): void {
    clearTimeout(this.#idle);
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
    this.#contexts.clear();
    this.#found.clear();
    this.#certificate = undefined;
  }
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/** Resolves a name, and refuses it where any of its addresses is private: what is connected to is what was looked at. */
function publicLookup(hostname: string, options: LookupOptions, callback: LookupCallback): void {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, []);
    const inside = addresses.find(({ address }) => isPrivateAddress(address));
    if (inside) {
      return callback(
        new GantryError(
          "REDIRECT_REFUSED",
          `${hostname} resolves to the private address ${inside.address}, where a public registry has no business to send us`,
        ),
        [],
      );
    }
    if (options.all) return callback(null, addresses);
    const [first] = addresses;
    callback(null, first?.address ?? "", first?.family ?? 4);
  });
}
