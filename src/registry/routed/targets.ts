import { GantryError } from "../../base/error.ts";
import type { Capability, Endpoint } from "../../config/routes.ts";
import { apiHost, parseRepoName, type RepoName, type Tag } from "../../reference/reference.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import type { RateLimiter } from "../../transport/rate.ts";
import { RemoteRegistry } from "../remote/remote.ts";
import { processSession } from "../session.ts";
import { type RoutedOptions, remoteOptionsOf } from "./options.ts";

/** A configured endpoint, and the client for it. */
export interface Target {
  readonly endpoint: Endpoint;
  readonly registry: RemoteRegistry;
}

/** Stands for the repository in requests for a registry as a whole. */
const anyRepo = parseRepoName("any/repository");

/** The endpoints of one registry that may be asked for something, in their order. */
export class Targets {
  readonly name: string;
  readonly #options: RoutedOptions;
  readonly #registries = new Map<string, RemoteRegistry>();
  readonly #limiter: RateLimiter | undefined;

  constructor(host: string, options: RoutedOptions) {
    this.name = host;
    this.#options = options;
    // A proxy of the Hub counts against the Hub's quota.
    const bounded = options.rate !== undefined || host === "docker.io";
    const session = options.session ?? processSession;
    this.#limiter = options.limiter ?? (bounded ? session.limiter(apiHost(host), options.rate) : undefined);
  }

  /**
   * @param reference what is asked for, since some endpoints are only for tags or only for digests
   * @throws UNSUPPORTED where no endpoint may be asked, DENIED where the repository is blocked
   */
  async find(repo: RepoName, capability: Capability, reference?: Tag | Digest): Promise<readonly Target[]> {
    const endpoints = await this.#endpoints(repo);
    const fits = ({ capabilities, only }: Endpoint): boolean =>
      capabilities.includes(capability) &&
      (only === undefined || reference === undefined || (only === "digests") === isDigest(reference));
    const found = endpoints.filter(fits);
    if (found.length > 0) return found.map((endpoint) => ({ endpoint, registry: this.#registry(endpoint) }));
    const files = [...new Set(endpoints.flatMap(({ from }) => from))].join(", ");
    throw new GantryError(
      "UNSUPPORTED",
      `no endpoint of ${this.name} has the capability ${capability}; the endpoints come from ${files}`,
    );
  }

  /** The one endpoint for a list or a change: these requests go to no second endpoint. @throws UNSUPPORTED, DENIED */
  async first(capability: "push" | "list", repo: RepoName = anyRepo): Promise<Target> {
    const [target] = await this.find(repo, capability);
    return target!;
  }

  /** The registry itself, without its mirrors. @throws UNSUPPORTED where the configuration does not name it */
  async itself(): Promise<RemoteRegistry> {
    const endpoint = (await this.#endpoints(anyRepo)).find(({ host }) => host === this.name);
    if (endpoint) return this.#registry(endpoint);
    throw new GantryError(
      "UNSUPPORTED",
      `the configuration of this machine does not name ${this.name} itself; \`gantry explain\` lists the endpoints that it names`,
    );
  }

  async #endpoints(repo: RepoName): Promise<readonly Endpoint[]> {
    const { endpoints, blockedBy } = await this.#options.routes.routes(this.name, repo);
    if (!blockedBy) return endpoints;
    throw new GantryError("DENIED", `${this.name}/${repo} is blocked on this machine, by ${blockedBy}`, {
      details: { blockedBy },
    });
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

  async close(options: { readonly keepIdle?: boolean | undefined }): Promise<void> {
    for (const registry of this.#registries.values()) await registry.close(options);
  }
}
