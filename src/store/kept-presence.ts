import type { Descriptor } from "../spec/types.ts";
import { Derived } from "./derived.ts";
import { blobListings, derivedFile, inventory } from "./directory.ts";
import type { StoreParts } from "./parts.ts";
import { type Presence, PresenceScan } from "./presence.ts";
import { restoreOldTrash } from "./trash.ts";

/** Two descriptors may list the same bytes under different media types. */
const keyOf = ({ digest, mediaType }: Descriptor): string => `${digest} ${mediaType}`;

/** How much of each image is on this host. A file keeps the answers until a blob is added or removed. */
export async function presenceOf(
  { directory, blobs, limits, version }: StoreParts,
  targets: readonly Descriptor[],
): Promise<readonly Presence[]> {
  await restoreOldTrash(blobs);
  const kept = new Derived(derivedFile(directory, "presence.json"), blobListings(directory));
  const known = new Map(JSON.parse(kept.read() ?? "[]") as [string, Presence][]);
  const unknown = targets.filter((target) => !known.has(keyOf(target)));
  if (unknown.length > 0) {
    const scan = new PresenceScan(blobs, await inventory(directory), limits);
    for (const target of unknown) {
      const { missing: _missing, ...presence } = scan.examine(target);
      known.set(keyOf(target), presence);
    }
    if (await version.exists()) kept.keep(JSON.stringify([...known]));
  }
  return targets.map((target) => known.get(keyOf(target))!);
}
