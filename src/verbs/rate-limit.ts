import { GantryError, isGantryError } from "../base/error.ts";
import type { RateLimit } from "../transport/rate.ts";
import { asLocation, type Location } from "./location.ts";
import type { LookOptions } from "./look.ts";
import { openRegistry } from "./open.ts";

/**
 * What a registry says about its quota for an image, asked by HEAD; undefined where it says nothing. Where a repository
 * is named and it has no `latest`, its first tag is used.
 * @throws USAGE for a location that is not in a registry
 */
export async function rateLimit(
  location: string | Location,
  options: LookOptions = {},
): Promise<RateLimit | undefined> {
  const parsed = asLocation(location);
  if (parsed.kind !== "registry") throw new GantryError("USAGE", `${parsed.text}: only registries have quotas`);
  const { tag, digest } = parsed.reference;
  const { signal } = options;
  await using opened = openRegistry(parsed, options);
  const { registry, repo, reference } = opened;
  try {
    return await registry.rateLimit(repo, reference, { signal });
  } catch (error) {
    if (tag !== undefined || digest !== undefined || !isGantryError(error, "MANIFEST_UNKNOWN")) throw error;
    for await (const first of registry.tags(repo, { signal })) {
      return await registry.rateLimit(repo, first, { signal });
    }
    throw error;
  }
}
