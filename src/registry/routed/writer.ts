import { isGantryError } from "../../base/error.ts";
import type { BlobSource } from "../../content/source.ts";
import type { RepoName } from "../../reference/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import { unsupported } from "../refusals.ts";
import type {
  BlobUpload,
  CallOptions,
  OpenUploadOptions,
  PushBlobOptions,
  PushManifestOptions,
  RegistryWriter,
} from "../registry.ts";
import type { RemoteRegistry } from "../remote/remote.ts";
import type { Targets } from "./targets.ts";

/** Writes to the one endpoint of a registry that may be pushed to. */
export class RoutedWriter implements RegistryWriter {
  readonly name: string;
  readonly #targets: Targets;

  constructor(targets: Targets) {
    this.name = targets.name;
    this.#targets = targets;
  }

  async pushBlob(
    repo: RepoName,
    descriptor: Descriptor,
    source: BlobSource,
    options: PushBlobOptions = {},
  ): Promise<Descriptor> {
    const { registry, endpoint } = await this.#targets.first("push", repo);
    const mountFrom = options.mountFrom && (await this.#nameAt(registry, options.mountFrom));
    return registry.pushBlob(endpoint.repo, descriptor, source, { ...options, mountFrom });
  }

  /** The name of a repository at the endpoint of `registry`; undefined where it is elsewhere, or blocked. */
  async #nameAt(registry: RemoteRegistry, repo: RepoName): Promise<RepoName | undefined> {
    try {
      const target = await this.#targets.first("push", repo);
      return target.registry === registry ? target.endpoint.repo : undefined;
    } catch (error) {
      if (isGantryError(error, "DENIED", "UNSUPPORTED")) return undefined;
      throw error;
    }
  }

  async openUpload(repo: RepoName, options?: OpenUploadOptions): Promise<BlobUpload> {
    const { registry, endpoint } = await this.#targets.first("push", repo);
    return registry.openUpload(endpoint.repo, options);
  }

  async mountBlob(from: RepoName, to: RepoName, digest: Digest, options?: CallOptions): Promise<Descriptor> {
    // A mount reads its source, which may be blocked: it is routed too.
    const source = await this.#targets.first("push", from);
    const { registry, endpoint } = await this.#targets.first("push", to);
    if (source.registry !== registry) throw unsupported(this.name, `mounting blobs of ${from} in ${to}`);
    return registry.mountBlob(source.endpoint.repo, endpoint.repo, digest, options);
  }

  async pushManifest(
    repo: RepoName,
    bytes: Uint8Array,
    mediaType: string,
    options?: PushManifestOptions,
  ): Promise<Descriptor> {
    const { registry, endpoint } = await this.#targets.first("push", repo);
    return registry.pushManifest(endpoint.repo, bytes, mediaType, options);
  }
}
