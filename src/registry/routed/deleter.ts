import type { RepoName, Tag } from "../../reference/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import type { CallOptions, RegistryDeleter } from "../registry.ts";
import type { Targets } from "./targets.ts";

/** Deletes at the one endpoint of a registry that may be pushed to. */
export class RoutedDeleter implements RegistryDeleter {
  readonly name: string;
  readonly #targets: Targets;

  constructor(targets: Targets) {
    this.name = targets.name;
    this.#targets = targets;
  }

  async deleteBlob(repo: RepoName, digest: Digest, options?: CallOptions): Promise<void> {
    const { registry, endpoint } = await this.#targets.first("push", repo);
    await registry.deleteBlob(endpoint.repo, digest, options);
  }

  async deleteManifest(repo: RepoName, digest: Digest, options?: CallOptions): Promise<void> {
    const { registry, endpoint } = await this.#targets.first("push", repo);
    await registry.deleteManifest(endpoint.repo, digest, options);
  }

  async deleteTag(repo: RepoName, tag: Tag, options?: CallOptions): Promise<void> {
    const { registry, endpoint } = await this.#targets.first("push", repo);
    await registry.deleteTag(endpoint.repo, tag, options);
  }
}
