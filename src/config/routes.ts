import { parseRepoName, type RepoName } from "../reference/reference.ts";

/** What an endpoint may be asked for. */
export type Capability = "pull" | "resolve" | "push" | "referrers" | "list";

export const allCapabilities: readonly Capability[] = ["pull", "resolve", "push", "referrers", "list"];

/** One place that answers for a registry, and how it is spoken to. */
export interface Endpoint {
  /** Where its API is, with a slash at the end: `https://mirror.example/v2/`. Absent: where that of `host` is. */
  readonly url?: URL | undefined;
  /** The host whose credentials are used, and that messages name. */
  readonly host: string;
  /** What the repository is called there. */
  readonly repo: RepoName;
  readonly capabilities: readonly Capability[];
  /** Asked in the place of the registry; the registry itself otherwise. */
  readonly mirror: boolean;
  /** What it says is the answer, also where it says no. */
  readonly final?: boolean | undefined;
  /** Only asked for what is named by a digest, or only for tags. */
  readonly only?: "digests" | "tags" | undefined;
  /** Plain http, or TLS that nobody checks. */
  readonly insecure?: boolean | undefined;
  readonly skipVerify?: boolean | undefined;
  readonly caFiles?: readonly string[] | undefined;
  /** Paths. */
  readonly clientCertificate?: { readonly cert: string; readonly key: string } | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The host that a mirror is told it stands for. */
  readonly namespace?: string | undefined;
  /** Who says so: files and variables. */
  readonly from: readonly string[];
}

/** How a repository of a registry is reached: endpoints in the order in which they are asked. */
export interface Routes {
  readonly endpoints: readonly Endpoint[];
  /** The file that forbids it. */
  readonly blockedBy?: string | undefined;
}

/** Knows how registries are reached. */
export interface RouteSource {
  /** @throws CONFIG_INVALID where what says so cannot be read */
  routes(host: string, repo: RepoName): Promise<Routes>;
}

/** The registry itself, as it is without any configuration. */
export function directEndpoint(host: string, repo: RepoName): Endpoint {
  return { host, repo, capabilities: allCapabilities, mirror: false, from: [] };
}

/** A name below another prefix: `docker.io/library/x` by `docker.io` -> `mirror.example/hub` is `mirror.example/hub/library/x`. */
export function rewritten(location: string, rest: string): { readonly host: string; readonly repo: RepoName } {
  const [host = "", ...path] = `${location}${rest}`.split("/");
  return { host, repo: parseRepoName(path.join("/")) };
}
