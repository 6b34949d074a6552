import { withoutUndefined } from "../../base/defined.ts";
import type { RepoName, Tag } from "../../reference/reference.ts";
import { repositoryUnknown } from "../../registry/refusals.ts";
import type { ListOptions, RegistryLister } from "../../registry/registry.ts";
import { algorithmOf, type Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { RepositoryContents } from "./contents.ts";
import { referrersOf, repositoriesOf } from "./manifest-rows.ts";
import { exists } from "./tables.ts";

/** Lists repositories, tags and referrers, each in the order of its bytes. */
export class RepositoryLister implements RegistryLister {
  readonly name: string;
  readonly #contents: RepositoryContents;

  constructor(contents: RepositoryContents) {
    this.name = contents.options.name;
    this.#contents = contents;
  }

  async *repositories({ after }: ListOptions = {}): AsyncGenerator<RepoName> {
    const { prepare, tables, tags, key, repository } = this.#contents.options;
    await prepare();
    const named = (await tags.all()).filter((repo) => after === undefined || repo > after).sort();
    for await (const at of repositoriesOf(tables, after === undefined ? undefined : key(after as RepoName))) {
      const repo = repository(at);
      if (repo === undefined) continue;
      while (named[0] !== undefined && named[0] < repo) yield named.shift()!;
      if (named[0] === repo) named.shift();
      yield repo;
    }
    yield* named;
  }

  async *tags(repo: RepoName, { after }: ListOptions = {}): AsyncGenerator<Tag> {
    const { prepare, tables, tags, key } = this.#contents.options;
    await prepare();
    let found = false;
    for await (const tag of tags.list(repo, after)) {
      found = true;
      yield tag;
    }
    if (!found && !(await tables.read((run) => exists(run, key(repo))))) throw repositoryUnknown(this.name, repo);
  }

  async *referrers(
    repo: RepoName,
    digest: Digest,
    options: ListOptions & { readonly artifactType?: string | undefined } = {},
  ): AsyncGenerator<Descriptor> {
    const { prepare, tables, tags, key } = this.#contents.options;
    await prepare();
    algorithmOf(digest);
    await tags.refresh(repo);
    for await (const { descriptor, artifactType, annotations } of referrersOf(tables, key(repo), digest, options)) {
      yield withoutUndefined({ ...descriptor, artifactType, annotations });
    }
  }
}
