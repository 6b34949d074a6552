import { isGantryError } from "../../base/error.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import { blobUnknown, manifestUnknown } from "../../registry/refusals.ts";
import type { RegistryDeleter } from "../../registry/registry.ts";
import type { Digest } from "../../spec/digest.ts";
import { summarizeManifest } from "../../spec/summary.ts";
import type { Run } from "../sql/database.ts";
import { unlinkBlob } from "./blob-rows.ts";
import type { RepositoryContents } from "./contents.ts";
import { removeManifest, setNested } from "./manifest-rows.ts";
import { isLinked } from "./tables.ts";

/** Deletes content from one repository. With `frees` its bytes are removed when no repository has them any more. */
export class RepositoryDeleter implements RegistryDeleter {
  readonly name: string;
  readonly #contents: RepositoryContents;

  constructor(contents: RepositoryContents) {
    this.name = contents.options.name;
    this.#contents = contents;
  }

  async deleteBlob(repo: RepoName, digest: Digest): Promise<void> {
    const { prepare, tables, key } = this.#contents.options;
    await prepare();
    const removed = await tables.change(async (run) => {
      if (!(await unlinkBlob(run, key(repo), digest))) return false;
      await this.#free(run, digest);
      return true;
    });
    if (!removed) throw blobUnknown(this.name, repo, digest);
  }

  /** Called within the transaction, so that no other change relies on bytes that are about to be removed. */
  async #free(run: Run, digest: Digest): Promise<void> {
    const { frees, blobs } = this.#contents.options;
    if (frees && !(await isLinked(run, digest))) await blobs.delete(digest);
  }

  /** Deletes a manifest and its tags from a repository. Its children stay, because other manifests may list them. */
  async deleteManifest(repo: RepoName, digest: Digest): Promise<void> {
    const { prepare, tables, tags, key } = this.#contents.options;
    await prepare();
    if (!(await this.#contents.manifest(repo, digest))) throw manifestUnknown(this.name, repo, digest);
    const children = await this.#childrenOf(digest);
    const removed = await tables.change(async (run) => {
      if (!(await removeManifest(run, key(repo), digest))) return false;
      await tags.forget(run, repo, digest);
      // A child that another index lists too gets an entry in index.json that it does not need. That is harmless.
      for (const child of children) {
        if (child.kind === "manifest") await setNested(run, key(repo), child.digest, false);
      }
      await this.#free(run, digest);
      return true;
    });
    if (!removed) throw manifestUnknown(this.name, repo, digest);
    tags.changed();
  }

  async #childrenOf(digest: Digest): Promise<ReturnType<typeof summarizeManifest>["children"]> {
    const { blobs, limits } = this.#contents.options;
    try {
      const content = await blobs.read({ digest });
      return summarizeManifest(await content.bytes({ limit: limits.metadataBytes })).children;
    } catch (error) {
      // A damaged or missing document can still be deleted.
      if (isGantryError(error)) return [];
      throw error;
    }
  }

  async deleteTag(repo: RepoName, tag: Tag): Promise<void> {
    const { prepare, tags } = this.#contents.options;
    await prepare();
    if (!(await tags.delete(repo, tag))) throw manifestUnknown(this.name, repo, tag);
    tags.changed();
  }
}
