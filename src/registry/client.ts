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

/** A registry over HTTP, without cache and mirrors: a part of other registries. @throws INVALID_REFERENCE */
export function remote(host: string, options: RemoteOptions = {}): RemoteRegistry {
  return new RemoteRegistry(parseHost(host), options);
}

/**
 * The client of a registry that this process shares: the same host and options give the same client, and all names of
 * Docker Hub are one host. It caches answers, and limits and retries its requests. `close` closes idle connections and
 * empties the cache; the client can be used again. Without `routes`, requests to Docker Hub go through the proxy that
 * DOCKERHUB_PUBLIC_PROXY or DOCKERHUB_PUBLIC_PROXY_HOST names, if one is set.
 * @throws INVALID_REFERENCE, CONFIG_INVALID; no client is kept then
 */
export function client(host: string, options: ClientOptions = {}): Registry {
  const name = parseHost(host);
  const proxy = options.routes ? undefined : hubProxy(name);
  const { cache, ...rest } = options;
  const { session = processSession, ...own } = rest;
  const key = JSON.stringify([name, proxy?.url, entriesOf(cache ?? {}), entriesOf(own)]);
  const known = session.clients.get(key);
  if (known) return known;
  const made = registryCache(connect(name, { ...rest, routes: proxy?.routes ?? rest.routes }), cache);
  session.clients.set(key, made);
  return made;
}

/** The proxy of Docker Hub that the environment names at this moment. @throws CONFIG_INVALID */
function hubProxy(host: string): { readonly url: string; readonly routes: RouteSource } | undefined {
  const env = { ...process.env };
  const endpoints = (repo: RepoName): readonly Endpoint[] | undefined =>
    host === "docker.io" ? hubProxyEndpoints(repo, env) : undefined;
  const [first] = endpoints(parseRepoName("library/any")) ?? [];
  if (!first?.url) return undefined;
  return { url: first.url.href, routes: { routes: async (_host, repo) => ({ endpoints: endpoints(repo) ?? [] }) } };
}
