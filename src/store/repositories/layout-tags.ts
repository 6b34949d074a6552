import type { RepoName, Tag } from "../../reference/reference.ts";
import { nextGeneration } from "../sql/meta.ts";
import type { TagTable } from "./options.ts";
import type { RepositoryTables } from "./tables.ts";
import { removeTag, setTag, tagged, tagsOf } from "./tag-rows.ts";

/** The tags of a layout: rows beside its manifests. `changed` is called after a change. */
export function layoutTags(tables: RepositoryTables, key: (repo: RepoName) => string, changed: () => void): TagTable {
  return {
    get: (repo, tag) => tables.read((run) => tagged(run, key(repo), tag)),
    async set(run, repo, tags, { digest }) {
      const generation = await nextGeneration(run);
      for (const tag of tags) await setTag(run, key(repo), tag, digest, generation);
    },
    named: async () => {},
    delete: (repo, tag) =>
      tables.change(async (run) => {
        await nextGeneration(run);
        return removeTag(run, key(repo), tag);
      }),
    async forget(run, repo, digest) {
      await nextGeneration(run);
      await run(`DELETE FROM gantry_tags WHERE repository = ? AND digest = ?`, key(repo), digest);
    },
    list: (repo, after) => tagsOf(tables, key(repo), after) as AsyncIterable<Tag>,
    refresh: async () => false,
    all: async () => [],
    changed,
  };
}
