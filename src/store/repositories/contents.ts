import { isGantryError } from "../../base/error.ts";
import type { RepoName } from "../../reference/reference.ts";
import { blobUnknown } from "../../registry/refusals.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { hasBlob, linkBlob } from "./blob-rows.ts";
import { type ManifestRow, manifestOf } from "./manifest-rows.ts";
import type { RepositoryOptions } from "./options.ts";

/** Answers which blobs and manifests a repository has. Names that other processes set are read only if it lacks one. */
export class RepositoryContents {
  readonly options: RepositoryOptions;

  constructor(options: RepositoryOptions) {
    this.options = options;
  }

  async #has(repo: RepoName, digest: Digest): Promise<boolean> {
    const { tables, key } = this.options;
    return tables.read(
      async (run) =>
        (await hasBlob(run, key(repo), digest)) || (await manifestOf(run, key(repo), digest)) !== undefined,
    );
  }

  /** @throws BLOB_UNKNOWN where the repository does not have it */
  async requireBlob(repo: RepoName, digest: Digest): Promise<void> {
    const { prepare, tags, name } = this.options;
    await prepare();
    if (await this.#has(repo, digest)) return;
    if ((await tags.refresh(repo)) && (await this.#has(repo, digest))) return;
    throw blobUnknown(name, repo, digest);
  }

  async manifest(repo: RepoName, digest: Digest): Promise<ManifestRow | undefined> {
    const { tables, tags, key } = this.options;
    const find = (): Promise<ManifestRow | undefined> => tables.read((run) => manifestOf(run, key(repo), digest));
    return (await find()) ?? ((await tags.refresh(repo)) ? find() : undefined);
  }

  /** Whether a repository has a child of a manifest, and, for a blob, its bytes. */
  async hasChild(repo: RepoName, digest: string, kind: "manifest" | "blob"): Promise<boolean> {
    if (!isDigest(digest)) return false;
    try {
      if (kind === "manifest") return (await this.manifest(repo, digest)) !== undefined;
      await this.requireBlob(repo, digest);
      return await this.options.blobs.has({ digest });
    } catch (error) {
      if (isGantryError(error, "BLOB_UNKNOWN")) return false;
      throw error;
    }
  }

  linkBlob(repo: RepoName, digest: Digest): Promise<void> {
    return this.options.tables.change((run) => linkBlob(run, this.options.key(repo), digest));
  }

  /** Keeps a blob from being collected. */
  async protect(digest: Digest): Promise<void> {
    await this.options.protect?.(digest);
  }
}
