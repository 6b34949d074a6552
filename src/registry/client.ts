import { hubProxyEndpoints } from "../config/hub-proxy.ts";
import type { Endpoint, RouteSource } from "../config/routes.ts";
import { parseHost, parseRepoName, type RepoName } from "../reference/reference.ts";
import { registryCache } from "./cache/cache.ts";
import type { RegistryCacheOptions } from "./cache/entries.ts";
import { entriesOf } from "./identity.ts";
import type { Registry } from "./registry.ts";
import type { RemoteOptions } from "./remote/options.ts";
import { RemoteRegistry } from "./remote/remote.ts";
import type { ConnectOptions } from "./routed/options.ts";
import { connect } from "./routed/routed.ts";
import { processSession } from "./session.ts";

export interface ClientOptions extends ConnectOptions {
  readonly cache?: RegistryCacheOptions | undefined;
}

/** A registry over HTTP alone, without cache and mirrors, to compose others of it. @throws INVALID_REFERENCE */
export function remote(host: string, options: RemoteOptions = {}): RemoteRegistry {
  return new RemoteRegistry(parseHost(host), options);
}

/**
 * The client of a registry that this process shares: it caches, and its requests are limited and retried. The same
 * options give the same client. The names of Docker Hub are one host. Closing it closes idle connections and empties
 * its cache; it can be used again. Also without `routes`, requests to the Hub go through the proxy that
 * DOCKERHUB_PUBLIC_PROXY or DOCKERHUB_PUBLIC_PROXY_HOST names.
 * @throws INVALID_REFERENCE, CONFIG_INVALID; nothing is kept then
 */
export function client(host: string, options: ClientOptions = {}): Registry {
  const name = parseHost(host);
  const proxy = options.routes ? undefined : hubProxy(name);
  const { cache, ...rest } = options;
  const { session = processSession, ...own } = rest;
  const key = JSON.stringify([name, proxy?.url, cache && entriesOf(cache), entriesOf(own)]);
  const known = session.clients.get(key);
  if (known) return known;
  const made = registryCache(connect(name, { ...rest, routes: proxy?.routes ?? rest.routes }), cache);
  session.clients.set(key, made);
  return made;
}

/** The proxy of the Hub that the environment names now. @throws CONFIG_INVALID */
function hubProxy(host: string): { readonly url: string; readonly routes: RouteSource } | undefined {
  const env = { ...process.env };
  const endpoints = (repo: RepoName): readonly Endpoint[] | undefined =>
    host === "docker.io" ? hubProxyEndpoints(repo, env) : undefined;
  const [first] = endpoints(parseRepoName("library/any")) ?? [];
  if (!first?.url) return undefined;
  return { url: first.url.href, routes: { routes: async (_host, repo) => ({ endpoints: endpoints(repo) ?? [] }) } };
}
