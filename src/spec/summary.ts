import { textOf } from "./bytes.ts";
import { type Digest, isDigest } from "./digest.ts";
import { mediaTypes } from "./media-types.ts";
import type { Descriptor } from "./types.ts";

/**
 * The media type, subject and children of a stored manifest, and the fields that a list of referrers shows. The document
 * is not checked: this is for storage only, and code that acts on a document decodes it.
 */
export interface ManifestSummary {
  readonly mediaType?: string | undefined;
  readonly artifactType?: string | undefined;
  readonly subject?: Digest | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Digests of the children: manifests, or config and layers. */
  readonly children: readonly {
    readonly digest: string;
    readonly kind: "manifest" | "blob";
    readonly foreign: boolean;
  }[];
}

export function summarizeManifest(bytes: Uint8Array): ManifestSummary {
  let value: Partial<Record<string, unknown>>;
  try {
    value = JSON.parse(textOf(bytes)) as typeof value;
  } catch {
    return { children: [] };
  }
  if (typeof value !== "object" || value === null) return { children: [] };
  const text = (from: unknown): string | undefined => (typeof from === "string" && from !== "" ? from : undefined);
  const descriptors = (from: unknown): Partial<Descriptor>[] =>
    (Array.isArray(from) ? from : [from]).filter(
      (item) => typeof item === "object" && item !== null && "digest" in item,
    );
  const config = descriptors(value["config"])[0];
  const mediaType =
    text(value["mediaType"]) ??
    (Array.isArray(value["manifests"]) ? mediaTypes.index : value["config"] ? mediaTypes.manifest : undefined);
  const artifactType = text(value["artifactType"]) ?? text(config?.mediaType);
  const subject = descriptors(value["subject"])[0]?.digest;
  const annotations = stringsOf(value["annotations"]);
  const child = (kind: "manifest" | "blob") => (item: Partial<Descriptor>) => ({
    digest: text(item.digest) ?? "",
    kind,
    foreign: Array.isArray(item.urls) && item.urls.length > 0,
  });
  return {
    children: [
      ...descriptors(value["manifests"]).map(child("manifest")),
      ...descriptors(value["config"]).map(child("blob")),
      ...descriptors(value["layers"]).map(child("blob")),
    ],
    mediaType,
    artifactType,
    subject: typeof subject === "string" && isDigest(subject) ? subject : undefined,
    annotations,
  };
}

/** The fields of an object that are strings. */
function stringsOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
