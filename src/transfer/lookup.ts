import { GantryError, isGantryError } from "../base/error.ts";
import type { Content } from "../content/content.ts";
import { bytesContent } from "../content/source.ts";
import { parseTag, type RepoName, type Tag } from "../reference/reference.ts";
import type { CallOptions, Registry } from "../registry/registry.ts";
import type { Digest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/types.ts";

/** What is looked up: a reference, or the parts of one. A digest wins over a tag; without either it is `latest`. */
export interface Wanted {
  readonly repository: RepoName;
  readonly tag?: Tag | undefined;
  readonly digest?: Digest | undefined;
}

export interface LookupOptions extends CallOptions {
  /** Default: a manifest. A blob needs a digest. */
  readonly type?: "manifest" | "blob" | undefined;
  /** Ask only whether it is there (HEAD): what is found has no content. */
  readonly head?: boolean | undefined;
  /** Told why nothing was found: that it is absent, or that we may not see it, which from outside look alike. */
  readonly onAbsent?: ((reason: GantryError) => void) | undefined;
}

export interface Found {
  readonly descriptor: Descriptor;
  /** Absent where only a HEAD was asked for. Whoever does not read it closes it. */
  readonly content?: Content | undefined;
}

/**
 * Looks for a manifest or a blob; undefined where it is not there, and where we are not allowed to know (401, 403).
 * @throws USAGE for a blob without a digest and for any other type, and what the registry throws about anything else
 */
export async function lookup(
  registry: Registry,
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
  registry: Registry,
  { repository, tag, digest }: Wanted,
  type: "manifest" | "blob",
  head: boolean,
  call: CallOptions,
): Promise<Found> {
  if (type === "blob") {
    if (digest === undefined) throw new GantryError("USAGE", `${repository}: a blob is named by its digest`);
    if (head) return { descriptor: await registry.resolveBlob(repository, digest, call) };
    const content = await registry.getBlob(repository, digest, call);
    const { size, mediaType = "application/octet-stream" } = content.descriptor;
    if (size !== undefined) return { descriptor: { mediaType, digest, size }, content };
    await content.cancel();
    throw new GantryError(
      "INVALID_RESPONSE",
      `${registry.name}/${repository}: nobody tells the size of blob ${digest}`,
    );
  }
  const reference = digest ?? tag ?? parseTag("latest");
  if (head) return { descriptor: await registry.resolveManifest(repository, reference, call) };
  const { descriptor, bytes } = await registry.getManifest(repository, reference, call);
  const what = `manifest ${descriptor.digest} of ${registry.name}/${repository}`;
  return { descriptor, content: bytesContent(descriptor, bytes, what) };
}
