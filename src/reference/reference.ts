import { GantryError } from "../base/error.ts";
import { type Digest, parseDigest } from "../spec/digest.ts";

/** The name of a repository, as in the paths of the distribution API: `library/alpine`. */
export type RepoName = string & { readonly __repoName: unique symbol };
/** A tag. */
export type Tag = string & { readonly __tag: unique symbol };

const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const repositoryGrammar = new RegExp(`^${component}(?:/${component})*$`);
const tagGrammar = /^\w[\w.-]{0,127}$/;
const label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const hostGrammar = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);

const MAX_PORT = 65_535;

/** Whether the text is a host with an optional port that exists. */
function isRegistryHost(text: string): boolean {
  return hostGrammar.test(text) && Number(/:([0-9]+)$/.exec(text)?.[1] ?? 0) <= MAX_PORT;
}

const dockerHub = "docker.io";
/** The host names of Docker Hub, that of references first. */
export const dockerHubNames: ReadonlySet<string> = new Set([
  dockerHub,
  "index.docker.io",
  "registry-1.docker.io",
  "registry.hub.docker.com",
  "www.docker.io",
]);

const fault = (text: string, why: string): GantryError<"INVALID_REFERENCE"> =>
  new GantryError("INVALID_REFERENCE", `${JSON.stringify(text.slice(0, 300))} is not an image reference: ${why}`);

/** @throws INVALID_REFERENCE */
export function parseRepoName(text: string): RepoName {
  if (text.length > 255 || !repositoryGrammar.test(text)) {
    const hint = text !== text.toLowerCase() ? "; repository names are lower case" : "";
    throw fault(text, `bad repository name ${JSON.stringify(text.slice(0, 300))}${hint}`);
  }
  return text as RepoName;
}

/** @throws INVALID_REFERENCE */
export function parseTag(text: string): Tag {
  if (!tagGrammar.test(text)) {
    throw fault(text, `bad tag ${JSON.stringify(text.slice(0, 160))}; a tag is up to 128 letters, digits, _ . and -`);
  }
  return text as Tag;
}

export const isTag = (text: string): text is Tag => tagGrammar.test(text);

/** A tag, or a digest, which has a colon. @throws INVALID_REFERENCE, INVALID_DIGEST, UNSUPPORTED_ALGORITHM */
export function parseTagOrDigest(text: string): Tag | Digest {
  return text.includes(":") ? parseDigest(text, "reference") : parseTag(text);
}

export interface ReferenceParts {
  /** Host with optional port: `docker.io`, `127.0.0.1:5000`, `[::1]:5000`. */
  readonly host: string;
  readonly repository: RepoName;
  readonly tag?: Tag | undefined;
  readonly digest?: Digest | undefined;
}

/**
 * Names an image in a registry: `host/repository[:tag][@digest]`. With both, the digest decides and the tag is only
 * displayed.
 * {@link parseRef} parses short names too.
 * @see distribution-spec, "Pulling manifests"; the grammar is that of distribution/reference
 */
export class Reference implements ReferenceParts {
  readonly host: string;
  readonly repository: RepoName;
  readonly tag?: Tag | undefined;
  readonly digest?: Digest | undefined;

  constructor({ host, repository, tag, digest }: ReferenceParts) {
    this.host = host;
    this.repository = repository;
    this.tag = tag;
    this.digest = digest;
  }

  /** The same with `docker.io` for every name of Docker Hub, and its one-word repositories in `library/`. */
  normalize(): Reference {
    if (!dockerHubNames.has(this.host)) return this;
    const repository = (this.repository.includes("/") ? this.repository : `library/${this.repository}`) as RepoName;
    return new Reference({ ...this, host: dockerHub, repository });
  }

  /** The digest to ask a registry for, else the tag, else `latest`. */
  get wanted(): Tag | Digest {
    return this.digest ?? this.tag ?? ("latest" as Tag);
  }

  /** In full, with its host: `docker.io/library/alpine:3.20`. */
  toFullString(): string {
    const tag = this.tag === undefined ? "" : `:${this.tag}`;
    const digest = this.digest === undefined ? "" : `@${this.digest}`;
    return `${this.host}/${this.repository}${tag}${digest}`;
  }

  /** The short form, without the host of Docker Hub and `library/`, if it means the same. */
  toString(): string {
    const full = this.toFullString();
    const shorter = [`${dockerHub}/library/`, `${dockerHub}/`].flatMap((prefix) =>
      full.startsWith(prefix) ? [full.slice(prefix.length)] : [],
    );
    return shorter.find((text) => meansTheSame(text, full)) ?? full;
  }

  /** As {@link toString}, without the digest if it is `known`. */
  stringWithKnownDigest(known: Digest): string {
    if (this.digest !== known) return this.toString();
    const { digest: _digest, ...rest } = this;
    return new Reference(rest).toString();
  }

  toJSON(): string {
    return this.toString();
  }
}

function meansTheSame(text: string, full: string): boolean {
  try {
    return parseRef(text).toFullString() === full;
  } catch {
    return false;
  }
}

/**
 * Parses `alpine`, `ghcr.io/o/r:tag`, `localhost:5000/app@sha256:...`. Names without a host are those of Docker Hub, whose
 * one-word repositories are in `library/`. A tag is never added.
 * @throws INVALID_REFERENCE, and the errors of a digest
 */
export function parseRef(text: string): Reference {
  let rest = text;
  let digest: Digest | undefined;
  const at = rest.indexOf("@");
  if (at >= 0) {
    digest = parseDigest(rest.slice(at + 1), `reference ${JSON.stringify(text.slice(0, 300))}`);
    rest = rest.slice(0, at);
  }
  let tag: Tag | undefined;
  const colon = rest.lastIndexOf(":");
  if (colon > rest.lastIndexOf("/")) {
    tag = parseTag(rest.slice(colon + 1));
    rest = rest.slice(0, colon);
  }
  if (rest === "") throw fault(text, "the repository name is missing");
  const { host, path } = splitHost(rest);
  if (!isRegistryHost(host)) {
    const hint = hostGrammar.test(host) ? `; a port is at most ${MAX_PORT}` : "";
    throw fault(text, `bad host ${JSON.stringify(host)}${hint}`);
  }
  return new Reference({ host, repository: parseRepoName(path), tag, digest }).normalize();
}

/** The host of a registry, with optional port; `docker.io` for every name of Docker Hub. @throws INVALID_REFERENCE */
export function parseHost(text: string): string {
  if (text.length > 255 || !isRegistryHost(text)) {
    throw new GantryError(
      "INVALID_REFERENCE",
      `${JSON.stringify(text.slice(0, 300))} is not the host of a registry; expected HOST or HOST:PORT, with a port of at most ${MAX_PORT}`,
    );
  }
  return dockerHubNames.has(text) ? dockerHub : text;
}

/** The first component is a host if it has a dot, a port or brackets, is localhost, or is not lower case. */
function splitHost(name: string): { host: string; path: string } {
  const slash = name.indexOf("/");
  if (slash < 0) return { host: dockerHub, path: name };
  const first = name.slice(0, slash);
  const isHost = /[.:[\]]/.test(first) || first === "localhost" || first !== first.toLowerCase();
  return isHost ? { host: first, path: name.slice(slash + 1) } : { host: dockerHub, path: name };
}

/** The host that serves the API of a registry. For Docker Hub its name differs from that in references. */
export function apiHost(host: string): string {
  return host === dockerHub ? "registry-1.docker.io" : host;
}
