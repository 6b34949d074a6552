import { LRUCache } from "lru-cache";
import { hubProxyEndpoints } from "../config/hub-proxy.ts";
import type { Endpoint, RouteSource } from "../config/routes.ts";
import { parseHost, parseRepoName, type RepoName } from "../reference/reference.ts";
import { type RegistryCacheOptions, registryCache } from "./cache/cache.ts";
import type { Registry } from "./registry.ts";
import { type RemoteOptions, RemoteRegistry } from "./remote/remote.ts";
import { type ConnectOptions, connect } from "./routed/routed.ts";

export interface ClientOptions extends ConnectOptions {
  readonly cache?: RegistryCacheOptions;
}

/** A registry over HTTP without anything else: neither cache nor mirrors, for those who compose. @throws INVALID_REFERENCE */
export function remote(host: string, options: RemoteOptions = {}): RemoteRegistry {
  return new RemoteRegistry(parseHost(host), options);
}

/** So many are kept; one that is dropped still works for whoever has it. */
const MAX_CLIENTS = 64;
const clients = new LRUCache<string, Registry>({ max: MAX_CLIENTS });
const identities = new WeakMap<object, number>();
let lastIdentity = 0;

/**
 * The client of a registry that this process shares: what was seen is remembered, requests are bounded and repeated,
 * and whoever asks with the same options gets the same one. The names of Docker Hub are one host. Closing it closes
 * what is idle and forgets; it can be used again. Without `routes` the Hub is still asked by way of the proxy that
 * DOCKERHUB_PUBLIC_PROXY or DOCKERHUB_PUBLIC_PROXY_HOST names.
 * @throws INVALID_REFERENCE, CONFIG_INVALID, in which case nothing is kept
 */
export function client(host: string, options: ClientOptions = {}): Registry {
  const name = parseHost(host);
  const proxy = options.routes ? undefined : hubProxy(name);
  const key = `${name} ${proxy?.url ?? ""} ${optionsKey(options)}`;
  const known = clients.get(key);
  if (known) return known;
  const { cache, ...rest } = options;
  const made = registryCache(connect(name, { ...rest, ...(proxy && { routes: proxy.routes }) }), cache);
  clients.set(key, made);
  return made;
}

/** The proxy of the Hub that the environment names at this moment. @throws CONFIG_INVALID */
function hubProxy(host: string): { readonly url: string; readonly routes: RouteSource } | undefined {
  const env = { ...process.env };
  const endpoints = (repo: RepoName): readonly Endpoint[] | undefined =>
    host === "docker.io" ? hubProxyEndpoints(repo, env) : undefined;
  const [first] = endpoints(parseRepoName("library/any")) ?? [];
  if (!first?.url) return undefined;
  return { url: first.url.href, routes: { routes: async (_host, repo) => ({ endpoints: endpoints(repo) ?? [] }) } };
}

/** Options are the same where their values are, and their functions and objects with behaviour are the same ones. */
function optionsKey(options: ClientOptions): string {
  const parts = Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(parts.map(([name, value]) => [name, keyOf(value)]));
}

function keyOf(value: unknown): unknown {
  if (typeof value === "function") return identityOf(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof URL) return value.href;
  if (Array.isArray(value)) return value.map(keyOf);
  const plain = Object.getPrototypeOf(value) === Object.prototype;
  if (!plain || Object.values(value).some((item) => typeof item === "function")) return identityOf(value);
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, item]) => [name, keyOf(item)]);
}

function identityOf(value: object): string {
  let identity = identities.get(value);
  if (identity === undefined) {
    lastIdentity += 1;
    identity = lastIdentity;
    identities.set(value, identity);
  }
  return `#${identity}`;
}
