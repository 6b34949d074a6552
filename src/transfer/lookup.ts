import { GantryError, isGantryError } from "../base/error.ts";
import type { Content } from "../content/content.ts";
import { bytesContent } from "../content/source.ts";
import { parseTag, type RepoName, type Tag } from "../reference/reference.ts";
import type { CallOptions, RegistryReader } from "../registry/registry.ts";
import type { Digest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";

/** A reference, or its parts. With a digest, the tag is ignored; without either, the tag is `latest`. */
export interface Wanted {
  readonly repository: RepoName;
  readonly tag?: Tag | undefined;
  readonly digest?: Digest | undefined;
}

export interface LookupOptions extends CallOptions {
  /** Default: a manifest. A blob needs a digest. */
  readonly type?: "manifest" | "blob" | undefined;
  /** Ask only whether it exists, by HEAD: the result has no content. */
  readonly head?: boolean | undefined;
  /** Called with the reason where nothing is found: it is missing, or access is denied. Registries may mix these up. */
  readonly onAbsent?: ((reason: GantryError) => void) | undefined;
}

export interface Found {
  readonly descriptor: Descriptor;
  /** Undefined with `head`. Read it or cancel it. */
  readonly content?: Content | undefined;
}

/**
 * Looks for a manifest or a blob; undefined where it is missing, and where access is denied (401, 403).
 * @throws USAGE for a blob without a digest and for any other type; other errors of the registry
 */
export async function lookup(
  registry: RegistryReader,
  wanted: Wanted,
  options: LookupOptions = {},
): Promise<Found | undefined> {
  const { type = "manifest", head, onAbsent, ...call } = options;
  if (type !== "manifest" && type !== "blob") {
    throw new GantryError("USAGE", `${JSON.stringify(type)} cannot be looked up; ask for a manifest or a blob`);
  }
  try {
    return await find(registry, wanted, type, head === true, call);
  } catch (error) {
    if (
      !isGantryError(
        error,
        "MANIFEST_UNKNOWN",
        "BLOB_UNKNOWN",
        "NAME_UNKNOWN",
        "IMAGE_NOT_FOUND",
        "UNAUTHORIZED",
        "DENIED",
      )
    ) {
      throw error;
    }
    onAbsent?.(error);
    return undefined;
  }
}

async function find(
  registry: RegistryReader,
  { repository, tag, digest }: Wanted,
  type: "manifest" | "blob",
  head: boolean,
  call: CallOptions,
): Promise<Found> {
  if (type === "blob") {
    if (digest === undefined)
      throw new GantryError("USAGE", `${repository}: a blob is looked up by its digest; name one`);
    if (head) return { descriptor: await registry.resolveBlob(repository, digest, call) };
    const content = await registry.getBlob(repository, digest, call);
    const { size, mediaType = "application/octet-stream" } = content.descriptor;
    if (size !== undefined) return { descriptor: { mediaType, digest, size }, content };
    await content.cancel();
    throw new GantryError(
      "INVALID_RESPONSE",
      `${registry.name}/${repository}: the registry does not tell the size of blob ${digest}`,
    );
  }
  const reference = digest ?? tag ?? parseTag("latest");
  if (head) return { descriptor: await registry.resolveManifest(repository, reference, call) };
  const { descriptor, bytes } = await registry.getManifest(repository, reference, call);
  const what = `manifest ${descriptor.digest} of ${registry.name}/${repository}`;
  return { descriptor, content: bytesContent(descriptor, bytes, what) };
}
