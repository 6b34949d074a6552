import type { Descriptor } from "../spec/types.ts";
import { Derived } from "./derived.ts";
import { blobListings, derivedFile } from "./directory.ts";
import type { StoreParts } from "./parts.ts";
import { inventory, type Presence, PresenceScan } from "./presence.ts";
import { restoreOldTrash } from "./trash.ts";

/** The same bytes may be read as two things. */
const keyOf = ({ digest, mediaType }: Descriptor): string => `${digest} ${mediaType}`;

/** How much of each image is on this host. Answers are kept in a file for as long as no blob comes or goes. */
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
