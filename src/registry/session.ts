import { RecentMap } from "../base/recent.ts";
import { apiHost } from "../reference/reference.ts";
import { Connections } from "../transport/connections.ts";
import { hubRate, type Rate, RateLimiter } from "../transport/rate.ts";
import type { TransportOptions } from "../transport/transport.ts";
import { entriesOf } from "./identity.ts";
import type { Registry } from "./registry.ts";
import { TokenCache } from "./remote/auth/tokens.ts";

/** Clients with the same addresses, credentials, TLS options, proxy and headers share connections and tokens. */
export interface ClientIdentity extends TransportOptions {
  readonly name: string;
  readonly home: string;
  readonly endpoint?: URL | undefined;
  readonly namespace?: string | undefined;
  readonly credentials?: object | undefined;
  readonly caFiles?: readonly string[] | undefined;
  readonly insecure?: boolean | undefined;
}

// The most entries that a session keeps. A dropped entry still works for the clients that hold it.
const MAX_LIMITERS = 1_000;
const MAX_IDENTITIES = 256;
const MAX_CLIENTS = 64;

/**
 * What the clients of a process share: one limiter for each registry, connections and tokens for each registry and
 * identity. Clients use the session of the process, unless the option `session` names another.
 * @see docs/decisions/0006-one-session-of-clients.md
 */
export class ClientSession implements AsyncDisposable {
  /** @internal */
  readonly tokens: TokenCache = new TokenCache();
  /** @internal The clients that `client()` has made. */
  readonly clients: RecentMap<Registry> = new RecentMap(MAX_CLIENTS);
  readonly #limiters = new RecentMap<RateLimiter>(MAX_LIMITERS);
  readonly #connections = new RecentMap<Connections>(MAX_IDENTITIES);

  /**
   * @internal The limiter of a registry. A `rate` applies from then on to every client of that registry.
   * @param home the host of its API
   */
  limiter(home: string, rate?: Rate): RateLimiter {
    let limiter = this.#limiters.get(home);
    if (!limiter) {
      limiter = new RateLimiter(rate ?? (home === apiHost("docker.io") ? hubRate : undefined));
      this.#limiters.set(home, limiter);
    } else if (rate) limiter.setRate(rate);
    return limiter;
  }

  /** @internal The connections of a client, and the key of its identity. */
  connections(client: ClientIdentity): { readonly connections: Connections; readonly identity: string } {
    const { name, home, endpoint, namespace, credentials, ca, caFiles, clientCertificate } = client;
    const { proxy, headers, skipVerify, insecure } = client;
    const own = { name, home, endpoint, namespace, credentials, ca, caFiles, clientCertificate, proxy, headers };
    const identity = JSON.stringify(entriesOf({ ...own, unchecked: skipVerify === true || insecure === true }));
    let connections = this.#connections.get(identity);
    if (!connections) {
      connections = new Connections(trusting(client));
      this.#connections.set(identity, connections);
    }
    return { connections, identity };
  }

  /** Closes all connections and drops tokens, clients and quotas. The session can be used again. */
  async close(): Promise<void> {
    await Promise.all(this.clients.values().map((client) => client.close()));
    for (const connections of this.#connections.values()) connections.close();
    this.clients.clear();
    this.tokens.clear();
    this.#connections.clear();
    this.#limiters.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The options of a client's connections. Certificates in `caFiles` are trusted beside those of the system. */
function trusting({ ca, caFiles, clientCertificate, proxy, skipVerify, insecure }: ClientIdentity) {
  const trusted = async (): Promise<readonly string[] | undefined> => {
    const { environmentRoots, trustedCertificates } = await import("../config/certificates.ts");
    // Without further files, Node trusts the certificates that it has loaded already.
    if (!caFiles && environmentRoots().length === 0) return ca?.();
    return [...new Set([...(await trustedCertificates(caFiles ?? [])), ...((await ca?.()) ?? [])])];
  };
  return { ca: trusted, clientCertificate, proxy, skipVerify: skipVerify === true || insecure === true };
}

/** The session of this process. */
export const processSession: ClientSession = new ClientSession();
