import { accessSync, constants, existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { defaultLimits, type Limits } from "../../base/limits.ts";
import { BlobDirectory } from "../../content/blob-directory.ts";
import { parseRepoName, type RepoName } from "../../reference/reference.ts";
import { onlyManifest, repositoryName } from "../../registry/layout/names.ts";
import type { Descriptor } from "../../spec/types.ts";
import { namesFile } from "../directory.ts";
import { DEFAULT_KEY, entriesOf } from "./layout-entries.ts";
import { LayoutNames } from "./layout-names.ts";
import { layoutTags } from "./layout-tags.ts";
import { RepositoryRegistry } from "./registry.ts";
import type { RepositoryTables } from "./tables.ts";

export interface ServedLayoutOptions {
  readonly limits?: Limits | undefined;
  /** Accept manifests with missing children, as a partial image has them. Default: false. */
  readonly sparse?: boolean | undefined;
}

/**
 * Whether a layout is opened through its database, which says what belongs to which repository. A layout that cannot be
 * written to is read through its index.json, as other tools read it.
 */
export function isServedLayout(directory: string): boolean {
  if (!existsSync(namesFile(directory)) || existsSync(join(directory, "version.json"))) return false;
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * A layout that is or was served: `names.db` says what belongs to which repository. index.json is an export, written
 * some time after a change and on `close`. Changes that another tool makes in it are taken over. A missing directory is
 * created.
 */
export class ServedLayout extends RepositoryRegistry {
  /** The repository whose tags are bare ref.names. It has the name of the directory. */
  readonly defaultRepository: RepoName;
  readonly #tables: RepositoryTables;

  constructor(directory: string, options: ServedLayoutOptions = {}) {
    const root = resolve(directory);
    const name = `oci:${directory}`;
    const limits = options.limits ?? defaultLimits;
    const blobs = new BlobDirectory(root, { name, limits, shared: true });
    const names = new LayoutNames(root, blobs, limits);
    const defaultRepository = repositoryName(basename(root));
    const key = (repo: RepoName): string => (repo === defaultRepository ? DEFAULT_KEY : repo);
    super({
      name,
      blobs,
      limits,
      tables: names.tables,
      tags: layoutTags(names.tables, key, () => names.changed()),
      key,
      repository: (at) => (at === DEFAULT_KEY ? defaultRepository : parseRepoName(at)),
      sparse: options.sparse,
      frees: true,
      prepare: () => names.prepare(),
      close: () => names.close(),
    });
    this.defaultRepository = defaultRepository;
    this.#tables = names.tables;
  }

  /** The manifest of a layout that holds just one, whatever its name. @throws MANIFEST_UNKNOWN, USAGE */
  async onlyManifest(): Promise<Descriptor> {
    await this.prepareWrite();
    return onlyManifest(this.name, this.defaultRepository, await this.#tables.read((run) => entriesOf(run, [])));
  }
}
