import { GantryError, isGantryError } from "../base/error.ts";
import { parseHost } from "../reference/reference.ts";
import type { Registry } from "../registry/registry.ts";
import { connect } from "../registry/routed/routed.ts";
import { isDigest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";
import { asLocation, type Location, layoutPrefix, storePrefix } from "./location.ts";
import type { LookOptions } from "./look.ts";
import { open, openDirectory, referenceOf } from "./open.ts";
import { connectOptions, holdStore } from "./options.ts";
import { requireRepository } from "./stored-name.ts";

/** The tags of a repository. A `Location` must be parsed with `names: "repository"`. @throws USAGE, NAME_UNKNOWN */
export async function* tags(location: string | Location, options: LookOptions = {}): AsyncGenerator<string> {
  const parsed = asLocation(location, { names: "repository" });
  if (parsed.kind === "store") requireRepository(parsed);
  if (hasReference(parsed)) {
    throw new GantryError("USAGE", `${parsed.text}: name a repository, without a tag or a digest`);
  }
  await using opened = open(parsed, options);
  try {
    yield* opened.registry.tags(opened.repo, options);
  } catch (error) {
    throw opened.kind === "layout" && isGantryError(error, "NAME_UNKNOWN")
      ? await withRepositories(error, opened.registry)
      : error;
  }
}

function hasReference(location: Location): boolean {
  if (location.kind === "layout") return location.reference !== undefined;
  return location.reference?.tag !== undefined || location.reference?.digest !== undefined;
}

/** The error for a repository that a layout does not have, with the names of its repositories. */
async function withRepositories(error: GantryError, registry: Registry): Promise<GantryError> {
  const found: string[] = [];
  try {
    for await (const name of registry.repositories()) found.push(name);
  } catch {
    return error;
  }
  const text =
    found.length === 0
      ? "it has none"
      : `it has ${found.join(", ")}: list one with \`gantry ls ${registry.name}:REPO\``;
  return new GantryError(error.code, `${error.message}; ${text}`, { cause: error, details: { repositories: found } });
}

/** The repositories of a registry (`HOST`), a layout (`oci:DIR`) or the store (`store:`). @throws UNSUPPORTED */
export async function* catalog(location: string, options: LookOptions = {}): AsyncGenerator<string> {
  const { signal } = options;
  if (location === storePrefix) {
    await using held = holdStore(options);
    yield* held.store.registry.repositories();
    return;
  }
  const registry = registryOf(location, options);
  try {
    yield* registry.repositories({ signal });
  } finally {
    await registry.close();
  }
}

function registryOf(location: string, options: LookOptions): Registry {
  const { limits } = options;
  if (location === layoutPrefix) throw new GantryError("USAGE", `${location}: name the directory of a layout`);
  if (location.startsWith(layoutPrefix)) return openDirectory(location.slice(layoutPrefix.length), { limits });
  return connect(parseHost(location.replace(/^docker:\/\//, "").replace(/\/$/, "")), connectOptions(options));
}

/** Descriptors of what refers to an image: signatures, SBOMs, attestations (distribution-spec, "Listing Referrers"). */
export async function* referrers(
  location: string | Location,
  options: LookOptions & { readonly artifactType?: string | undefined } = {},
): AsyncGenerator<Descriptor> {
  const { signal, artifactType } = options;
  await using opened = open(location, options);
  const { registry, repo } = opened;
  const reference = await referenceOf(opened);
  const digest = isDigest(reference)
    ? reference
    : (await registry.getManifest(repo, reference, { signal })).descriptor.digest;
  yield* registry.referrers(repo, digest, { signal, artifactType });
}
