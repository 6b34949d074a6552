import { GantryError, isGantryError } from "../base/error.ts";
import type { ChunkWriter } from "../content/content.ts";
import { parseHost, parseTag, type Tag } from "../reference/reference.ts";
import type { Registry } from "../registry/registry.ts";
import { connect } from "../registry/routed/routed.ts";
import { type Digest, isDigest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";
import type { RateLimit } from "../transport/rate.ts";
import type { LookOptions } from "./inspect.ts";
import {
  isRegistryLocation,
  layoutPrefix,
  registryReference,
  repositoryReference,
  storeName,
  storePrefix,
} from "./names.ts";
import { open, openDirectory, referenceOf } from "./open.ts";
import { connectOptions, holdStore } from "./options.ts";

/** Gives what a location names further tags in its repository, byte for byte. @throws what the registry throws */
export async function tag(location: string, tags: readonly string[], options: LookOptions = {}): Promise<Descriptor> {
  const wanted = tags.map((text) => parseTag(text));
  if (wanted.length === 0) throw new GantryError("USAGE", "name at least one tag");
  const { signal } = options;
  if (location.startsWith(storePrefix)) repositoryReference(location.slice(storePrefix.length));
  await using opened = open(location, options);
  const { registry, repo } = opened;
  const { bytes, descriptor } = await registry.getManifest(repo, await referenceOf(opened), { signal });
  const { mediaType, digest } = descriptor;
  await registry.pushManifest(repo, bytes, mediaType, { signal, tags: wanted, digest });
  return descriptor;
}

/**
 * Removes a tag, or, where the location names a digest, a manifest with every tag that leads to it. Blobs stay until
 * the registry collects its garbage.
 * @throws UNSUPPORTED where the registry does not delete, MANIFEST_UNKNOWN
 */
export async function remove(location: string, options: LookOptions = {}): Promise<void> {
  if (location.startsWith(storePrefix)) return await removeName(location, options);
  const { signal } = options;
  await using opened = open(location, options);
  const { registry, repo, reference } = opened;
  // Elsewhere no tag means latest; what is removed is said.
  if (reference === undefined || !saysWhich(location)) {
    throw new GantryError("USAGE", `${location}: name the tag or the digest to remove`);
  }
  const { tag: named, digest: pinned } = partsOf(location);
  if (named !== undefined && pinned !== undefined) {
    throw new GantryError(
      "USAGE",
      `${location}: name the tag or the digest; a digest takes every tag of its manifest with it`,
    );
  }
  try {
    if (isDigest(reference)) await registry.deleteManifest(repo, reference, { signal });
    else await registry.deleteTag(repo, reference as Tag, { signal });
  } catch (error) {
    if (!isGantryError(error, "UNSUPPORTED") || isDigest(reference) || opened.kind !== "registry") throw error;
    const { digest } = await registry.resolveManifest(repo, reference, { signal });
    throw new GantryError(
      "UNSUPPORTED",
      `${error.message}; some registries delete manifests but no tags: \`gantry rm ${opened.registry.name}/${repo}@${digest}\` removes the manifest, and every tag that leads to it`,
      { cause: error },
    );
  }
}

/** Takes a name away from the store: the exact one, else the one in full. Bytes stay until garbage is collected. */
async function removeName(location: string, options: LookOptions): Promise<void> {
  const given = location.slice(storePrefix.length);
  await using held = holdStore(options);
  const { images } = held.store;
  const exact = await images.get(given).catch((error: unknown) => {
    if (!isGantryError(error, "IMAGE_NOT_FOUND")) throw error;
    return undefined;
  });
  const { tag: named, digest } = exact ? {} : registryReference(given);
  // Elsewhere no tag means latest; what is removed is said.
  if (!exact && named === undefined && digest === undefined) {
    throw new GantryError("USAGE", `${location}: name the tag to remove; the store has no image of exactly this name`);
  }
  await images.delete(exact?.name ?? storeName(registryReference(given)));
}

/** The tag and the digest that a location names itself; a layout's grammar has one of them at most. */
function partsOf(location: string): { readonly tag?: Tag | undefined; readonly digest?: Digest | undefined } {
  return location.startsWith(layoutPrefix) ? {} : registryReference(location);
}

/** Whether a location names a tag or a digest itself. */
function saysWhich(location: string): boolean {
  const { tag: named, digest } = partsOf(location);
  return location.startsWith(layoutPrefix) || named !== undefined || digest !== undefined;
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

/**
 * The bytes of a blob, which a location names by digest, verified while they are passed on: the last ones come only
 * when size and digest are proved.
 * @throws DIGEST_MISMATCH, BLOB_UNKNOWN
 */
export async function blob(location: string, write: ChunkWriter, options: LookOptions = {}): Promise<void> {
  const { signal } = options;
  await using opened = open(location, options);
  const { registry, repo, reference } = opened;
  if (reference === undefined || !isDigest(reference)) {
    throw new GantryError("USAGE", `${location}: a blob is named by its digest, as in REPO@sha256:...`);
  }
  const content = await registry.getBlob(repo, reference, { signal });
  await content.pipe(write, { signal });
}

/** Descriptors of what refers to an image: signatures, SBOMs, attestations (distribution-spec, "Listing Referrers"). */
export async function* referrers(
  location: string,
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

/**
 * What a registry says of its quota for an image, asked by a HEAD; undefined where it says nothing.
 * @throws USAGE for what is not in a registry
 */
export async function rateLimit(location: string, options: LookOptions = {}): Promise<RateLimit | undefined> {
  if (!isRegistryLocation(location)) throw new GantryError("USAGE", `${location}: only registries have quotas`);
  const reference = registryReference(location);
  const { signal } = options;
  const registry = connect(reference.host, connectOptions(options));
  try {
    const { repository, wanted } = reference;
    return await registry
      .rateLimit(repository, wanted ?? parseTag("latest"), { signal })
      .catch(async (error: unknown) => {
        if (wanted !== undefined || !isGantryError(error, "MANIFEST_UNKNOWN")) throw error;
        for await (const tag of registry.tags(repository, { signal }))
          return registry.rateLimit(repository, tag, { signal });
        throw error;
      });
  } finally {
    await registry.close({ keepIdle: true });
  }
}
