import type { Limits } from "../../base/limits.ts";
import type { BlobDirectory } from "../../content/blob-directory.ts";
import { parseRef, type RepoName } from "../../reference/reference.ts";
import { DEFAULT_NAMESPACE } from "../directory.ts";
import type { ImageStore } from "../images.ts";
import type { LeaseKeeper } from "../lease-keeper.ts";
import { fullRepository, repositoryOf } from "../repository-names.ts";
import { RepositoryRegistry } from "./registry.ts";
import { StoreTags } from "./store-tags.ts";
import type { RepositoryTables } from "./tables.ts";

/** What serving a store needs of it. */
export interface ServableStore {
  readonly directory: string;
  readonly blobs: BlobDirectory;
  readonly limits: Limits;
  readonly namespace: string;
  /** Names whose changes are exported some time later, so that a change does not wait for the export. */
  readonly images: ImageStore;
  readonly tables: RepositoryTables;
  readonly lease: LeaseKeeper;
  prepare(): Promise<void>;
  /** Called after a change that index.json must show. */
  changed(): void;
  close(): Promise<void>;
}

/**
 * A store as many repositories, for clients that do not trust each other. Its names are the tags, whichever process
 * sets them; a pulled image becomes part of its repository when a client asks for it. Only the store's garbage
 * collection removes bytes.
 */
export function serveStore(store: ServableStore): RepositoryRegistry {
  const { blobs, limits, namespace, tables } = store;
  // Namespaces share the tables, but a repository of one is not visible in another.
  const prefix = namespace === DEFAULT_NAMESPACE ? "" : `${namespace}//`;
  // A client's `app` is the repository docker.io/library/app.
  const key = (repo: RepoName): string => `${prefix}${repositoryOf(parseRef(fullRepository(repo)))}`;
  return new RepositoryRegistry({
    name: `store ${store.directory}`,
    blobs,
    limits,
    tables,
    tags: new StoreTags(store, key),
    key,
    repository: (at) => {
      if (!at.startsWith(prefix) || (prefix === "" && at.includes("//"))) return undefined;
      return at.slice(prefix.length) as RepoName;
    },
    frees: false,
    prepare: () => store.prepare(),
    protect: (digest) => store.lease.protect(digest),
    close: () => store.close(),
  });
}
