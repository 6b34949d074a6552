import { GantryError, isGantryError, messageOf } from "../../base/error.ts";
import type { Capability, Endpoint, RouteSource } from "../../config/routes.ts";
import { Content, type Expected } from "../../content/content.ts";
import type { BlobSource } from "../../content/source.ts";
import { apiHost, parseRepoName, type RepoName, type Tag } from "../../reference/reference.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { RateLimit, RateLimiter } from "../../transport/rate.ts";
import { expectedOf } from "../expected.ts";
import { unsupported } from "../refusals.ts";
import type {
  BlobUpload,
  CallOptions,
  GetBlobOptions,
  PushBlobOptions,
  PushManifestOptions,
  RangeContent,
  Registry,
  StoredManifest,
  UploadSession,
} from "../registry.ts";
import { type RemoteOptions, RemoteRegistry } from "../remote/remote.ts";
import { processSession } from "../session.ts";
import { FailoverBody } from "./failover.ts";
import type { Target } from "./target.ts";

export interface ConnectOptions extends RemoteOptions {
  /** Who knows the endpoints of registries, as `userHosts()` does. Default: each is spoken to as it is. */
  readonly routes?: RouteSource | undefined;
}

export type RoutedOptions = ConnectOptions & { readonly routes: RouteSource };

/** A registry over HTTP: reached as the routes say, or directly. @param host as in a reference, normalised */
export function connect(host: string, options: ConnectOptions = {}): RemoteRegistry | RoutedRegistry {
  const { routes, ...rest } = options;
  return routes ? new RoutedRegistry(host, { ...rest, routes }) : new RemoteRegistry(host, rest);
}

/** How long an endpoint that could not be reached is passed over, in milliseconds. */
const DOWN_MS = 60_000;

/** Asks about a registry as a whole are routed by this name. */
const anyRepo = parseRepoName("any/repository");

/**
 * A registry that is reached as this machine's configuration says: reads try its mirrors in their order, then the
 * registry itself; what changes something goes to the one endpoint that takes it.
 */
export class RoutedRegistry implements Registry {
  readonly name: string;
  readonly #options: RoutedOptions;
  readonly #registries = new Map<string, RemoteRegistry>();
  readonly #limiter: RateLimiter | undefined;
  /** When an endpoint could not be reached. */
  readonly #down = new WeakMap<RemoteRegistry, number>();

  constructor(host: string, options: RoutedOptions) {
    this.name = host;
    this.#options = options;
    // A proxy of the Hub counts against the Hub's quota.
    const bounded = options.rate !== undefined || host === "docker.io";
    const session = options.session ?? processSession;
    this.#limiter = options.limiter ?? (bounded ? session.limiter(apiHost(host), options.rate) : undefined);
  }

  async #endpoints(repo: RepoName): Promise<readonly Endpoint[]> {
    const { endpoints, blockedBy } = await this.#options.routes.routes(this.name, repo);
    if (!blockedBy) return endpoints;
    throw new GantryError("DENIED", `${this.name}/${repo} is blocked on this machine, by ${blockedBy}`, {
      details: { blockedBy },
    });
  }

  async #targets(repo: RepoName, capability: Capability, reference?: Tag | Digest): Promise<readonly Target[]> {
    const endpoints = await this.#endpoints(repo);
    const fits = ({ capabilities, only }: Endpoint): boolean =>
      capabilities.includes(capability) &&
      (only === undefined || reference === undefined || (only === "digests") === isDigest(reference));
    const found = endpoints.filter(fits);
    if (found.length > 0) return found.map((endpoint) => ({ endpoint, registry: this.#registry(endpoint) }));
    const files = [...new Set(endpoints.flatMap(({ from }) => from))].join(", ");
    throw new GantryError("UNSUPPORTED", `no endpoint of ${this.name} may be asked to ${capability}, says ${files}`);
  }

  #registry(endpoint: Endpoint): RemoteRegistry {
    const { capabilities: _able, repo: _repo, only: _only, final: _final, ...how } = endpoint;
    const key = JSON.stringify([how, endpoint.url?.href]);
    let registry = this.#registries.get(key);
    if (!registry) {
      registry = new RemoteRegistry(endpoint.host, remoteOptionsOf(endpoint, this.#options, this.#limiter));
      this.#registries.set(key, registry);
    }
    return registry;
  }

  /** Asks one endpoint after the other; what the last one says is the answer where none knows. */
  async #read<T>(
    repo: RepoName,
    capability: Capability,
    options: CallOptions | undefined,
    ask: (registry: RemoteRegistry, repo: RepoName) => Promise<T>,
    reference?: Tag | Digest,
  ): Promise<T> {
    const all = await this.#targets(repo, capability, reference);
    // Who could not be reached a moment ago is passed over, and asked again only where nobody else can be reached.
    const passed = all.filter(({ registry }, at) => at < all.length - 1 && this.#isDown(registry));
    const targets = [...all.filter((target) => !passed.includes(target)), ...passed];
    const failures: string[] = [];
    for (const [at, { endpoint, registry }] of targets.entries()) {
      try {
        const answer = await ask(registry, endpoint.repo);
        this.#down.delete(registry);
        return answer;
      } catch (error) {
        options?.signal?.throwIfAborted();
        const unreachable = isGantryError(error, "CONNECTION_FAILED", "TIMEOUT", "TLS_FAILED");
        if (unreachable) this.#down.set(registry, Date.now());
        const decides = at === targets.length - passed.length - 1 && !unreachable;
        const last = endpoint.final || decides || at === targets.length - 1;
        // What is wrong with how we were called is wrong everywhere.
        if (last || !isGantryError(error) || isGantryError(error, "USAGE", "RANGE_INVALID", "CONFIG_INVALID")) {
          throw isGantryError(error) && failures.length > 0 ? withFailures(error, failures) : error;
        }
        failures.push(messageOf(error));
        const progress = this.#options.progress;
        const absent = isGantryError(error, "MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "NAME_UNKNOWN");
        const text = `mirror ${registry.name} of ${this.name}: ${messageOf(error)}; asking the next`;
        progress?.({ type: "message", level: absent ? "info" : "warning", text });
      }
    }
    throw new GantryError("INTERNAL", "no endpoint was asked");
  }

  #isDown(registry: RemoteRegistry): boolean {
    const since = this.#down.get(registry);
    return since !== undefined && Date.now() - since < DOWN_MS;
  }

  /** The endpoint that takes what is written. */
  async #writer(repo: RepoName): Promise<Target> {
    return (await this.#targets(repo, "push"))[0]!;
  }

  getManifest(repo: RepoName, reference: Tag | Digest, options?: CallOptions): Promise<StoredManifest> {
    const capability = isDigest(reference) ? "pull" : "resolve";
    return this.#read(repo, capability, options, (to, name) => to.getManifest(name, reference, options), reference);
  }

  async getBlob(repo: RepoName, blob: Digest | Expected, options: GetBlobOptions = {}): Promise<Content> {
    const { digest } = expectedOf(blob);
    const targets = await this.#targets(repo, "pull", digest);
    const first = await this.#read(
      repo,
      "pull",
      options,
      async (to, name) => ({ to, content: await to.getBlob(name, blob, options) }),
      digest,
    );
    const at = targets.findIndex(({ registry }) => registry === first.to);
    const rest = targets[at]?.endpoint.final ? [] : targets.filter(({ registry }) => registry !== first.to);
    if (rest.length === 0) return first.content;
    const { content } = first;
    const from = content.start > 0 ? options.from : undefined;
    const body = new FailoverBody(content, rest, blob, (text) => this.#warn(text));
    return new Content(content.descriptor, body, { what: content.what, from });
  }

  #warn(text: string): void {
    this.#options.progress?.({ type: "message", level: "warning", text });
  }

  getBlobRange(
    repo: RepoName,
    blob: Expected,
    range: { readonly start: number; readonly end: number },
    options?: CallOptions,
  ): Promise<RangeContent> {
    return this.#read(repo, "pull", options, (to, name) => to.getBlobRange(name, blob, range, options), blob.digest);
  }

  resolveManifest(repo: RepoName, reference: Tag | Digest, options?: CallOptions): Promise<Descriptor> {
    const capability = isDigest(reference) ? "pull" : "resolve";
    return this.#read(repo, capability, options, (to, name) => to.resolveManifest(name, reference, options), reference);
  }

  resolveBlob(repo: RepoName, digest: Digest, options?: CallOptions): Promise<Descriptor> {
    return this.#read(repo, "pull", options, (to, name) => to.resolveBlob(name, digest, options), digest);
  }

  /** Asks whether the registry itself is there, and accepts who we are. @throws UNAUTHORIZED, DENIED */
  async ping(options?: CallOptions): Promise<void> {
    const itself = (await this.#endpoints(anyRepo)).find(({ host }) => host === this.name);
    if (!itself) {
      throw new GantryError(
        "UNSUPPORTED",
        `${this.name} itself is never asked on this machine; \`gantry explain\` tells who is`,
      );
    }
    await this.#registry(itself).ping(options);
  }

  /** What the registry, or the first mirror, says of its quota. */
  rateLimit(repo: RepoName, reference: Tag | Digest, options?: CallOptions): Promise<RateLimit | undefined> {
    return this.#read(repo, "resolve", options, (to, name) => to.rateLimit(name, reference, options), reference);
  }

  async pushBlob(
    repo: RepoName,
    descriptor: Descriptor,
    source: BlobSource,
    options: PushBlobOptions = {},
  ): Promise<Descriptor> {
    const { registry, endpoint } = await this.#writer(repo);
    const { mountFrom, ...call } = options;
    const from = mountFrom && (await this.#mountable(mountFrom, registry));
    return registry.pushBlob(endpoint.repo, descriptor, source, { ...call, mountFrom: from });
  }

  /** What a repository is called where a blob of it may be mounted from; undefined where it is not at that endpoint. */
  async #mountable(from: RepoName, registry: RemoteRegistry): Promise<RepoName | undefined> {
    try {
      const source = await this.#writer(from);
      return source.registry === registry ? source.endpoint.repo : undefined;
    } catch (error) {
      // What is blocked cannot be mounted; whether it can be read is not asked here.
      if (isGantryError(error, "DENIED", "UNSUPPORTED")) return undefined;
      throw error;
    }
  }

  async openUpload(
    repo: RepoName,
    options?: CallOptions & { readonly session?: UploadSession | undefined },
  ): Promise<BlobUpload> {
    const { registry, endpoint } = await this.#writer(repo);
    return registry.openUpload(endpoint.repo, options);
  }

  async mountBlob(from: RepoName, to: RepoName, digest: Digest, options?: CallOptions): Promise<Descriptor> {
    // Also what is only mounted is read, and may be forbidden.
    const source = await this.#writer(from);
    const { registry, endpoint } = await this.#writer(to);
    if (source.registry !== registry) throw unsupported(this.name, `mounting blobs of ${from} in ${to}`);
    return registry.mountBlob(source.endpoint.repo, endpoint.repo, digest, options);
  }

  async pushManifest(
    repo: RepoName,
    bytes: Uint8Array,
    mediaType: string,
    options?: PushManifestOptions,
  ): Promise<Descriptor> {
    const { registry, endpoint } = await this.#writer(repo);
    return registry.pushManifest(endpoint.repo, bytes, mediaType, options);
  }

  async deleteBlob(repo: RepoName, digest: Digest, options?: CallOptions): Promise<void> {
    const { registry, endpoint } = await this.#writer(repo);
    await registry.deleteBlob(endpoint.repo, digest, options);
  }

  async deleteManifest(repo: RepoName, digest: Digest, options?: CallOptions): Promise<void> {
    const { registry, endpoint } = await this.#writer(repo);
    await registry.deleteManifest(endpoint.repo, digest, options);
  }

  async deleteTag(repo: RepoName, tag: Tag, options?: CallOptions): Promise<void> {
    const { registry, endpoint } = await this.#writer(repo);
    await registry.deleteTag(endpoint.repo, tag, options);
  }

  async *repositories(options?: CallOptions): AsyncGenerator<RepoName> {
    const [first] = await this.#targets(anyRepo, "list");
    yield* first!.registry.repositories(options);
  }

  async *tags(repo: RepoName, options?: CallOptions): AsyncGenerator<Tag> {
    const [first] = await this.#targets(repo, "list");
    yield* first!.registry.tags(first!.endpoint.repo, options);
  }

  async *referrers(
    repo: RepoName,
    digest: Digest,
    options?: CallOptions & { readonly artifactType?: string | undefined },
  ): AsyncGenerator<Descriptor> {
    // The first page says whether an endpoint can answer.
    const found = await this.#read(repo, "referrers", options, async (to, name) => {
      const list = to.referrers(name, digest, options);
      return { list, first: await list.next() };
    });
    if (found.first.done) return;
    yield found.first.value;
    yield* found.list;
  }

  /** @param options keepIdle: leave idle connections open for a moment, for the next client */
  async close(options: { readonly keepIdle?: boolean | undefined } = {}): Promise<void> {
    for (const registry of this.#registries.values()) await registry.close(options);
  }
}

/** The options for one endpoint: what it asks for itself, and, for the registry itself, what the user asked for. */
export function remoteOptionsOf(endpoint: Endpoint, options: RemoteOptions, limiter?: RateLimiter): RemoteOptions {
  const { insecure, skipVerify, clientCertificate, headers, caFiles, ...rest } = options;
  const own = endpoint.mirror ? {} : { insecure, skipVerify, clientCertificate, headers };
  const trusted = [...(caFiles ?? []), ...(endpoint.caFiles ?? [])];
  const pair = endpoint.clientCertificate;
  return {
    ...rest,
    // Where there is somebody else to ask, nobody is asked three times.
    ...(endpoint.mirror && !endpoint.final && { attempts: 1 }),
    ...((endpoint.insecure || own.insecure) && { insecure: true }),
    ...((endpoint.skipVerify || own.skipVerify) && { skipVerify: true }),
    ...(trusted.length > 0 && { caFiles: trusted }),
    ...((endpoint.headers || own.headers) && { headers: { ...endpoint.headers, ...own.headers } }),
    ...(own.clientCertificate
      ? { clientCertificate: own.clientCertificate }
      : pair && {
          clientCertificate: Object.assign(
            async () => (await import("../../config/certificates.ts")).readClientCertificate(pair),
            { identity: JSON.stringify(["client certificate", pair.cert, pair.key]) },
          ),
        }),
    ...(endpoint.url && { endpoint: endpoint.url }),
    ...(endpoint.namespace && { namespace: endpoint.namespace }),
    ...(limiter && { limiter }),
  };
}

function withFailures(error: GantryError, failures: readonly string[]): GantryError {
  return new GantryError(error.code, `${error.message}; before it: ${failures.join("; ")}`, {
    cause: error,
    details: error.details,
  });
}
