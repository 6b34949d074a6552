import type { Progress } from "../../base/progress.ts";
import type { Capability } from "../../config/routes.ts";
import { Content, type Expected } from "../../content/content.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { RateLimit } from "../../transport/rate.ts";
import { expectedOf } from "../expected.ts";
import type {
  ByteRange,
  CallOptions,
  GetBlobOptions,
  RangeContent,
  RegistryReader,
  StoredManifest,
} from "../registry.ts";
import { FailoverBody } from "./failover.ts";
import type { Fallback } from "./fallback.ts";
import type { Targets } from "./targets.ts";

/** Reads from the mirrors of a registry in their order, then from the registry itself. */
export class RoutedReader implements RegistryReader {
  readonly name: string;
  readonly #targets: Targets;
  readonly #fallback: Fallback;
  readonly #progress: Progress | undefined;

  constructor(targets: Targets, fallback: Fallback, progress: Progress | undefined) {
    this.name = targets.name;
    this.#targets = targets;
    this.#fallback = fallback;
    this.#progress = progress;
  }

  async getManifest(repo: RepoName, reference: Tag | Digest, options?: CallOptions): Promise<StoredManifest> {
    const targets = await this.#targets.find(repo, capabilityFor(reference), reference);
    return this.#fallback.ask(
      targets,
      ({ registry, endpoint }) => registry.getManifest(endpoint.repo, reference, options),
      options?.signal,
    );
  }

  async getBlob(repo: RepoName, blob: Digest | Expected, options: GetBlobOptions = {}): Promise<Content> {
    const targets = await this.#targets.find(repo, "pull", expectedOf(blob).digest);
    const { target, content } = await this.#fallback.ask(
      targets,
      async (target) => ({ target, content: await target.registry.getBlob(target.endpoint.repo, blob, options) }),
      options.signal,
    );
    const rest = target.endpoint.final ? [] : targets.filter(({ registry }) => registry !== target.registry);
    if (rest.length === 0) return content;
    const from = content.start > 0 ? options.from : undefined;
    const body = new FailoverBody(content, rest, blob, (text) => {
      this.#progress?.({ type: "message", level: "warning", text });
    });
    return new Content(content.descriptor, body, { what: content.what, from });
  }

  async getBlobRange(repo: RepoName, blob: Expected, range: ByteRange, options?: CallOptions): Promise<RangeContent> {
    const targets = await this.#targets.find(repo, "pull", blob.digest);
    return this.#fallback.ask(
      targets,
      ({ registry, endpoint }) => registry.getBlobRange(endpoint.repo, blob, range, options),
      options?.signal,
    );
  }

  async resolveManifest(repo: RepoName, reference: Tag | Digest, options?: CallOptions): Promise<Descriptor> {
    const targets = await this.#targets.find(repo, capabilityFor(reference), reference);
    return this.#fallback.ask(
      targets,
      ({ registry, endpoint }) => registry.resolveManifest(endpoint.repo, reference, options),
      options?.signal,
    );
  }

  async resolveBlob(repo: RepoName, digest: Digest, options?: CallOptions): Promise<Descriptor> {
    const targets = await this.#targets.find(repo, "pull", digest);
    return this.#fallback.ask(
      targets,
      ({ registry, endpoint }) => registry.resolveBlob(endpoint.repo, digest, options),
      options?.signal,
    );
  }

  /** The quota that the registry, or its first mirror, reports. */
  async rateLimit(repo: RepoName, reference: Tag | Digest, options?: CallOptions): Promise<RateLimit | undefined> {
    const targets = await this.#targets.find(repo, "resolve", reference);
    return this.#fallback.ask(
      targets,
      ({ registry, endpoint }) => registry.rateLimit(endpoint.repo, reference, options),
      options?.signal,
    );
  }
}

const capabilityFor = (reference: Tag | Digest): Capability => (isDigest(reference) ? "pull" : "resolve");
