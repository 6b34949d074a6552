import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { GantryError, isGantryError } from "../base/error.ts";
import type { IndexFile } from "../registry/layout/index-file.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { makeDirectories } from "../sys/make-directories.ts";
import type { StoreParts } from "./parts.ts";
import { restoreOldTrash } from "./trash.ts";
import { STORE_VERSION } from "./version-file.ts";

/** Creates a store, or migrates one to the version of this code. */
export async function prepareStore({ directory, blobs, version, names, index }: StoreParts): Promise<void> {
  const found = await version.read();
  if (found?.version === STORE_VERSION) {
    names.requireKind(found.database);
    await restoreOldTrash(blobs);
    return;
  }
  if (!found) {
    await refuseLayout(index);
    await index.create();
  }
  try {
    await chmod(directory, 0o700);
    for (const name of ["layers", "leases"]) await makeDirectories(join(directory, name), 0o700);
    await version.exclusively(async () => {
      const now = await version.read();
      if (now?.version === STORE_VERSION) return;
      await version.write(names.kind, await names.makeTables(now?.version === 1));
    });
  } catch (error) {
    throw await fileSystemError(error, "creating the store", directory);
  }
}

/** A layout does not become a store: the first change would write an index.json without the layout's names. */
async function refuseLayout(index: IndexFile): Promise<void> {
  const names = await index.read().catch((error: unknown) => {
    if (isGantryError(error, "NAME_UNKNOWN")) return undefined;
    throw error;
  });
  if (!names?.manifests.length) return;
  throw new GantryError(
    "TARGET_NOT_EMPTY",
    `${index.root} is an image layout, not a store (it has no version.json); name another --store, and read the layout as oci:${index.root}`,
  );
}
