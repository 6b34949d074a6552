import { parseRepoName, type RepoName } from "../reference/reference.ts";

/** What an endpoint may be used for. */
export type Capability = "pull" | "resolve" | "push" | "referrers" | "list";

export const allCapabilities: readonly Capability[] = ["pull", "resolve", "push", "referrers", "list"];

/** An address at which a registry is reached, and how. */
export interface Endpoint {
  /** The address of its API, with a slash at the end: `https://mirror.example/v2/`. Default: that of `host`. */
  readonly url?: URL | undefined;
  /** The host whose credentials are used, and which messages name. */
  readonly host: string;
  /** The name of the repository there. */
  readonly repo: RepoName;
  readonly capabilities: readonly Capability[];
  /** Whether it stands in for the registry; false for the registry itself. */
  readonly mirror: boolean;
  /** No other endpoint is asked, even if this one does not have the image. */
  readonly final?: boolean | undefined;
  /** Asked only for digests, or only for tags. */
  readonly only?: "digests" | "tags" | undefined;
  /** Use plain http, or TLS without verification, whichever the host speaks. */
  readonly insecure?: boolean | undefined;
  /** Use TLS without verification. */
  readonly skipVerify?: boolean | undefined;
  /** Paths of certificates to trust, in addition to those of the system. */
  readonly caFiles?: readonly string[] | undefined;
  /** Paths of the certificate and of its key. */
  readonly clientCertificate?: { readonly cert: string; readonly key: string } | undefined;
  /** Sent with each request to it. Values may be secrets. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The registry that it stands in for. A mirror gets it with each request (`ns=docker.io`). */
  readonly namespace?: string | undefined;
  /** The files and variables that configure it. */
  readonly from: readonly string[];
}

/** How a repository of a registry is reached: endpoints in the order in which they are asked. */
export interface Routes {
  readonly endpoints: readonly Endpoint[];
  /** The file that blocks the repository. */
  readonly blockedBy?: string | undefined;
}

/** Tells how registries are reached. */
export interface RouteSource {
  /** @throws CONFIG_INVALID for configuration that cannot be used */
  routes(host: string, repo: RepoName): Promise<Routes>;
}

/** The registry itself, without any configuration. */
export function directEndpoint(host: string, repo: RepoName): Endpoint {
  return { host, repo, capabilities: allCapabilities, mirror: false, from: [] };
}

/** The host and the repository of `location` followed by `rest`: `mirror.example/hub` and `/library/x`. @throws INVALID_REFERENCE */
export function rewritten(location: string, rest: string): { readonly host: string; readonly repo: RepoName } {
  const [host = "", ...path] = `${location}${rest}`.split("/");
  return { host, repo: parseRepoName(path.join("/")) };
}
