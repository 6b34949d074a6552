import type { Limits } from "../../base/limits.ts";
import type { BlobDirectory } from "../../content/blob-directory.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { Run } from "../sql/database.ts";
import type { RepositoryTables } from "./tables.ts";

/** The tags of all repositories. A store keeps them as its names, a layout in a table. */
export interface TagTable {
  get(repo: RepoName, tag: Tag): Promise<Descriptor | undefined>;
  /** Called in the transaction that puts a manifest into its repository. A layout sets the tags here. */
  set(run: Run, repo: RepoName, tags: readonly Tag[], descriptor: Descriptor): Promise<void>;
  /** Called after that transaction. A store sets the tags here, as its names. */
  named(repo: RepoName, tags: readonly Tag[], descriptor: Descriptor): Promise<void>;
  /** @returns false where there is no such tag */
  delete(repo: RepoName, tag: Tag): Promise<boolean>;
  /** Deletes the tags of a manifest that leaves its repository. */
  forget(run: Run, repo: RepoName, digest: Digest): Promise<void>;
  list(repo: RepoName, after: string | undefined): AsyncIterable<Tag>;
  /** Adds to the tables the manifests that other processes have named. @returns whether it added any */
  refresh(repo: RepoName): Promise<boolean>;
  /** Repositories that have names but may be missing from the tables. */
  all(): Promise<readonly RepoName[]>;
  /** Called after a change that index.json must show. */
  changed(): void;
}

export interface RepositoryOptions {
  /** Names the registry in messages. */
  readonly name: string;
  readonly blobs: BlobDirectory;
  readonly limits: Limits;
  readonly tables: RepositoryTables;
  readonly tags: TagTable;
  /** The name of a repository in the tables. */
  readonly key: (repo: RepoName) => string;
  /** The repository of a key; undefined for keys that belong to another directory or namespace. */
  readonly repository: (key: string) => RepoName | undefined;
  /** Accept manifests with missing children. Default: false. */
  readonly sparse?: boolean | undefined;
  /** Whether a delete removes the bytes that no repository has any more. In a store the garbage collection does it. */
  readonly frees: boolean;
  readonly prepare: () => Promise<void>;
  /** Keeps a blob from being collected. */
  readonly protect?: ((digest: Digest) => Promise<void>) | undefined;
  readonly close: () => Promise<void>;
}
