import { isGantryError } from "../../base/error.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import { unsupported } from "../refusals.ts";
import type { CallOptions, RegistryDeleter } from "../registry.ts";
import type { Api, MissingCode } from "./api.ts";

/** Deletes manifests, blobs and tags over HTTP. */
export class RemoteDeleter implements RegistryDeleter {
  readonly name: string;
  readonly #api: Api;

  constructor(api: Api) {
    this.name = api.name;
    this.#api = api;
  }

  async deleteBlob(repo: RepoName, digest: Digest, options: CallOptions = {}): Promise<void> {
    await this.#delete(repo, `blobs/${digest}`, "BLOB_UNKNOWN", options);
  }

  async deleteManifest(repo: RepoName, digest: Digest, options: CallOptions = {}): Promise<void> {
    await this.#delete(repo, `manifests/${digest}`, "MANIFEST_UNKNOWN", options);
  }

  async deleteTag(repo: RepoName, tag: Tag, options: CallOptions = {}): Promise<void> {
    try {
      await this.#delete(repo, `manifests/${tag}`, "MANIFEST_UNKNOWN", options);
    } catch (error) {
      // docker-registry takes only a digest here, and answers a tag with these codes.
      if (!isGantryError(error, "DIGEST_MISMATCH", "MANIFEST_INVALID")) throw error;
      throw unsupported(this.name, "deleting tags");
    }
  }

  async #delete(repo: RepoName, path: string, missing: MissingCode, { signal }: CallOptions): Promise<void> {
    const url = await this.#api.url(repo, path);
    const asked = `deleting ${path} of ${this.name}/${repo}`;
    const scope = `repository:${repo}:delete`;
    const request = { method: "DELETE", url, signal } as const;
    const response = await this.#api.send(scope, request, [200, 202, 204], asked, missing);
    await response.discard();
  }
}
