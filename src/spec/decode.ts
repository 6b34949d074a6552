import { GantryError } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import { descriptor, index, layout, manifest } from "./documents.ts";
import { rememberStyle } from "./encode.ts";
import { image } from "./image-document.ts";
import { type JsonObject, parseJsonObject } from "./json.ts";
import { isIndexType, isManifestType, isSchema1Type, mediaTypes } from "./media-types.ts";
import { foldCase, Report, type Schema } from "./schema.ts";
import { type Descriptor, type Image, type ImageLayout, type Index, imageLayout, type Manifest } from "./types.ts";

/** Checks a parsed document. @throws the first fault, with the document's name and the place in it */
function check(schema: Schema, value: unknown, what: string): void {
  const report = new Report(false, ({ code, path, message }) => {
    throw new GantryError(code, `${what}: ${path || "the document"} ${message}`, { details: { path } });
  });
  schema.check(value, "", report);
}

function refuseSchema1(what: string): never {
  throw new GantryError(
    "UNSUPPORTED_MEDIA_TYPE",
    `${what} is a Docker schema 1 manifest, which can no longer be verified; push the image again with a current builder`,
  );
}

/** A manifest or an index. `mediaType` is that of the document, or of its descriptor if the document has none. */
export type Document =
  | { readonly kind: "manifest"; readonly mediaType: string; readonly manifest: Manifest }
  | { readonly kind: "index"; readonly mediaType: string; readonly index: Index };

/**
 * Decides whether a document is a manifest or an index, and checks it. Its own mediaType decides, and must agree with
 * `mediaType`, which the descriptor or the registry gave. A document with both `manifests` and `layers` or `config` is
 * refused, whatever its mediaType. Unknown fields are kept.
 * @param what names the document in messages
 * @throws INVALID_DOCUMENT, AMBIGUOUS_DOCUMENT, UNSUPPORTED_MEDIA_TYPE, INVALID_DIGEST, LIMIT_EXCEEDED
 */
export function decodeDocument(
  bytes: Uint8Array,
  mediaType: string | undefined,
  what = "manifest",
  limits: Limits = defaultLimits,
): Document {
  const value = parseJsonObject(bytes, what, limits, "metadataBytes", rememberStyle);
  const decided = decideMediaType(value, mediaType, what);
  if (isIndexType(decided)) {
    check(index, value, what);
    return { kind: "index", mediaType: decided, index: value as unknown as Index };
  }
  check(manifest, value, what);
  return { kind: "manifest", mediaType: decided, manifest: value as unknown as Manifest };
}

function decideMediaType(value: JsonObject, claimed: string | undefined, what: string): string {
  const folded = new Set(Object.keys(value).map(foldCase));
  const looksIndex = folded.has("manifests");
  const looksManifest = folded.has("layers") || folded.has("config");
  const embedded = value["mediaType"] ?? undefined;
  if (embedded !== undefined && typeof embedded !== "string") {
    throw new GantryError("INVALID_DOCUMENT", `${what}: mediaType must be a string`, {
      details: { path: "mediaType" },
    });
  }
  if (isSchema1Type(embedded || claimed || "") || folded.has("fslayers") || value["schemaVersion"] === 1) {
    refuseSchema1(what);
  }
  if (looksIndex && looksManifest) {
    throw new GantryError(
      "AMBIGUOUS_DOCUMENT",
      `${what} has both "manifests" and "layers" or "config": it could be read as an index and as a manifest`,
    );
  }
  const known = (type: string | undefined): type is string =>
    type !== undefined && (isIndexType(type) || isManifestType(type));
  if (claimed && (known(claimed) || isSchema1Type(claimed)) && embedded && embedded !== claimed) {
    throw new GantryError(
      "AMBIGUOUS_DOCUMENT",
      `${what} says that it is ${embedded}, but was expected to be ${claimed}`,
      {
        details: { embedded, claimed },
      },
    );
  }
  if (embedded && !known(embedded)) {
    throw new GantryError("UNSUPPORTED_MEDIA_TYPE", `${what} is a ${embedded}, neither an image manifest nor an index`);
  }
  const decided = embedded || (known(claimed) ? claimed : undefined);
  if (decided) {
    if (isIndexType(decided) ? looksManifest : looksIndex) {
      throw new GantryError(
        "AMBIGUOUS_DOCUMENT",
        `${what} is a ${decided}, but has fields of the other kind of document`,
      );
    }
    return decided;
  }
  if (looksIndex) return mediaTypes.index;
  if (looksManifest) return mediaTypes.manifest;
  throw new GantryError(
    "UNSUPPORTED_MEDIA_TYPE",
    `${what} is neither an image manifest nor an index: it has no mediaType, no "manifests", and neither "config" nor "layers"`,
  );
}

/** Decodes an image configuration (image-spec config.md). Throws as {@link decodeDocument}. */
export function decodeImage(bytes: Uint8Array, what = "image config", limits: Limits = defaultLimits): Image {
  const value = parseJsonObject(bytes, what, limits, "metadataBytes", rememberStyle);
  check(image, value, what);
  return value as unknown as Image;
}

/** Decodes one descriptor; `value` is not changed. Throws as {@link decodeDocument}. */
export function decodeDescriptor(value: unknown, what = "descriptor"): Descriptor {
  const copy: unknown = structuredClone(value);
  check(descriptor, copy, what);
  return copy as Descriptor;
}

/** Decodes the index.json of a layout (image-spec image-layout.md); its limit is larger than that of a manifest. */
export function decodeLayoutIndex(bytes: Uint8Array, what = "index.json", limits: Limits = defaultLimits): Index {
  const value = parseJsonObject(bytes, what, limits, "layoutIndexBytes", rememberStyle);
  decideMediaType({ manifests: [], ...value }, mediaTypes.index, what);
  check(index, value, what);
  return value as unknown as Index;
}

/** Decodes the oci-layout file (image-spec image-layout.md). */
export function decodeImageLayout(bytes: Uint8Array, what = "oci-layout"): ImageLayout {
  const value = parseJsonObject(bytes, what, defaultLimits, "metadataBytes", rememberStyle);
  check(layout, value, what);
  if (value["imageLayoutVersion"] !== imageLayout.version) {
    const found = JSON.stringify(value["imageLayoutVersion"]);
    throw new GantryError("INVALID_DOCUMENT", `${what}: imageLayoutVersion is ${found}; only "1.0.0" is known`, {
      details: { path: "imageLayoutVersion" },
    });
  }
  return value as unknown as ImageLayout;
}
