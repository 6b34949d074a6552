import type { Checkable } from "./fsck.ts";
import type { StoreParts } from "./parts.ts";
import { forgetContent, pushedManifests } from "./repositories/tables.ts";

/** A store as garbage collections and checks see it. */
export function checkable({ directory, blobs, limits, advice, names, exports }: StoreParts): Checkable {
  return {
    directory,
    blobs,
    limits,
    advice,
    shared: names.shared,
    snapshot: async () => (await names.get()).snapshot(),
    generation: async () => (await names.get()).generation(),
    pushed: () => names.repositories.read(pushedManifests),
    async removed(digests) {
      // Where hosts share the names, another host may still have the bytes.
      if (!names.shared) await names.repositories.change((run) => forgetContent(run, digests));
    },
    checkDatabase: async () => (await names.get()).check(),
    exported: () => exports.generation(),
    exportAll: () => exports.update(),
  };
}
