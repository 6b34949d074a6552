import { GantryError } from "../base/error.ts";
import { parseTag } from "../reference/reference.ts";
import type { Descriptor } from "../spec/types.ts";
import { asLocation, type Location } from "./location.ts";
import type { LookOptions } from "./look.ts";
import { open, referenceOf } from "./open.ts";
import { requireRepository } from "./stored-name.ts";

/** Gives the image at a location further tags in its repository, byte for byte. @throws USAGE, INVALID_REFERENCE */
export async function tag(
  location: string | Location,
  tags: readonly string[],
  options: LookOptions = {},
): Promise<Descriptor> {
  const wanted = tags.map((text) => parseTag(text));
  if (wanted.length === 0) throw new GantryError("USAGE", "name at least one tag");
  const { signal } = options;
  const parsed = asLocation(location);
  if (parsed.kind === "store") requireRepository(parsed);
  await using opened = open(parsed, options);
  const { registry, repo } = opened;
  const { bytes, descriptor } = await registry.getManifest(repo, await referenceOf(opened), { signal });
  const { mediaType, digest } = descriptor;
  await registry.pushManifest(repo, bytes, mediaType, { signal, tags: wanted, digest });
  return descriptor;
}
