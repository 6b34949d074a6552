import { GantryError } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import { boolean, type Check, digest, fields, list, map, nonEmptyString, object, size, string } from "./fields.ts";
import { invalid, type JsonObject, parseJsonObject } from "./json.ts";
import { isIndexType, isManifestType, isSchema1Type, mediaTypes } from "./media-types.ts";
import type { Descriptor, ImageConfig, ImageLayout, Index, Manifest } from "./types.ts";

const platform = fields({
  architecture: { check: string, empty: () => "" },
  os: { check: string, empty: () => "" },
  "os.version": { check: string },
  "os.features": { check: list(string) },
  variant: { check: string },
});

const annotations = map(string);

const descriptor = fields({
  mediaType: { check: nonEmptyString, required: true },
  digest: { check: digest, required: true },
  size: { check: size, required: true },
  urls: { check: list(string) },
  annotations: { check: annotations },
  data: { check: string },
  platform: { check: platform },
  artifactType: { check: string },
});

const schemaVersion: Check = (value, path, what) => {
  if (value === 1) {
    throw new GantryError(
      "UNSUPPORTED_MEDIA_TYPE",
      `${what} is a Docker schema 1 manifest, which no longer can be verified; push the image again with a current builder`,
    );
  }
  if (value !== 2) throw invalid(what, path, "must be 2");
};

const manifest = fields({
  schemaVersion: { check: schemaVersion, required: true },
  mediaType: { check: string },
  artifactType: { check: string },
  config: { check: descriptor, required: true },
  layers: { check: list(descriptor), empty: () => [] },
  subject: { check: descriptor },
  annotations: { check: annotations },
});

const index = fields({
  schemaVersion: { check: schemaVersion, required: true },
  mediaType: { check: string },
  artifactType: { check: string },
  manifests: { check: list(descriptor), empty: () => [] },
  subject: { check: descriptor },
  annotations: { check: annotations },
});

const imageConfig = fields({
  created: { check: string },
  author: { check: string },
  architecture: { check: string, empty: () => "" },
  os: { check: string, empty: () => "" },
  "os.version": { check: string },
  "os.features": { check: list(string) },
  variant: { check: string },
  config: {
    check: fields({
      User: { check: string },
      ExposedPorts: { check: map(object) },
      Env: { check: list(string) },
      Entrypoint: { check: list(string) },
      Cmd: { check: list(string) },
      Volumes: { check: map(object) },
      WorkingDir: { check: string },
      Labels: { check: map(string) },
      StopSignal: { check: string },
      ArgsEscaped: { check: boolean },
    }),
  },
  rootfs: {
    check: fields({
      type: {
        check: (value, path, what) => {
          if (value !== "layers") throw invalid(what, path, 'must be "layers"');
        },
        required: true,
      },
      diff_ids: { check: list(digest), required: true },
    }),
    required: true,
  },
  history: {
    check: list(
      fields({
        created: { check: string },
        created_by: { check: string },
        author: { check: string },
        comment: { check: string },
        empty_layer: { check: boolean },
      }),
    ),
  },
});

/** A manifest or an index, told apart. `mediaType` is the one that was decided on. */
export type Document =
  | { readonly kind: "manifest"; readonly mediaType: string; readonly manifest: Manifest }
  | { readonly kind: "index"; readonly mediaType: string; readonly index: Index };

/**
 * Decides what a document is and checks it. The embedded mediaType decides; it must agree with `mediaType`, which is
 * what the descriptor or the registry said. A document that has both `manifests` and `layers` or `config` is refused,
 * whatever it calls itself. Unknown fields are kept.
 * @param what names the document in messages
 * @throws INVALID_DOCUMENT, AMBIGUOUS_DOCUMENT, UNSUPPORTED_MEDIA_TYPE, INVALID_DIGEST, UNSUPPORTED_ALGORITHM, LIMIT_EXCEEDED
 */
export function decodeDocument(
  bytes: Uint8Array,
  mediaType: string | undefined,
  what = "manifest",
  limits: Limits = defaultLimits,
): Document {
  const value = parseJsonObject(bytes, what, limits);
  const decided = decideMediaType(value, mediaType, what);
  if (isIndexType(decided)) {
    index(value, "", what);
    return { kind: "index", mediaType: decided, index: value as unknown as Index };
  }
  manifest(value, "", what);
  return { kind: "manifest", mediaType: decided, manifest: value as unknown as Manifest };
}

function decideMediaType(value: JsonObject, claimed: string | undefined, what: string): string {
  const folded = new Set(Object.keys(value).map((key) => key.toLowerCase()));
  const looksIndex = folded.has("manifests");
  const looksManifest = folded.has("layers") || folded.has("config");
  const embedded = value["mediaType"];
  if (embedded !== undefined && typeof embedded !== "string") throw invalid(what, "mediaType", "must be a string");
  if (isSchema1Type(embedded ?? claimed ?? "") || folded.has("fslayers")) schemaVersion(1, "", what);
  if (looksIndex && looksManifest) {
    throw new GantryError(
      "AMBIGUOUS_DOCUMENT",
      `${what} has both "manifests" and "layers" or "config": it could be read as an index and as a manifest`,
    );
  }
  const known = (type: string | undefined): type is string =>
    type !== undefined && (isIndexType(type) || isManifestType(type));
  if (claimed && (known(claimed) || isSchema1Type(claimed)) && embedded && embedded !== claimed) {
    throw new GantryError("AMBIGUOUS_DOCUMENT", `${what} calls itself ${embedded}, but was announced as ${claimed}`, {
      details: { embedded, claimed },
    });
  }
  if (embedded && !known(embedded)) {
    throw new GantryError("UNSUPPORTED_MEDIA_TYPE", `${what} is a ${embedded}, neither an image manifest nor an index`);
  }
  const decided = embedded || (known(claimed) ? claimed : undefined);
  if (decided) {
    if (isIndexType(decided) ? looksManifest : looksIndex) {
      throw new GantryError("AMBIGUOUS_DOCUMENT", `${what} is a ${decided}, but has the fields of the other kind`);
    }
    return decided;
  }
  if (looksIndex) return mediaTypes.index;
  if (looksManifest) return mediaTypes.manifest;
  throw new GantryError("UNSUPPORTED_MEDIA_TYPE", `${what} is neither an image manifest nor an index`);
}

/** Decodes an image configuration (image-spec config.md). Throws as {@link decodeDocument}. */
export function decodeImageConfig(
  bytes: Uint8Array,
  what = "image config",
  limits: Limits = defaultLimits,
): ImageConfig {
  const value = parseJsonObject(bytes, what, limits);
  imageConfig(value, "", what);
  return value as unknown as ImageConfig;
}

/** Decodes one descriptor that stands on its own. Throws as {@link decodeDocument}. */
export function decodeDescriptor(value: unknown, what = "descriptor"): Descriptor {
  descriptor(value, "", what);
  return value as Descriptor;
}

/** Decodes the index.json of a layout (image-spec image-layout.md); its limit is larger than that of a manifest. */
export function decodeLayoutIndex(bytes: Uint8Array, what = "index.json", limits: Limits = defaultLimits): Index {
  const value = parseJsonObject(bytes, what, limits, "layoutIndexBytes");
  decideMediaType({ manifests: [], ...value }, mediaTypes.index, what);
  index(value, "", what);
  return value as unknown as Index;
}

/** Decodes the oci-layout file (image-spec image-layout.md). */
export function decodeImageLayout(bytes: Uint8Array, what = "oci-layout"): ImageLayout {
  const value = parseJsonObject(bytes, what);
  fields({ imageLayoutVersion: { check: string, required: true } })(value, "", what);
  if (value["imageLayoutVersion"] !== "1.0.0") {
    throw invalid(
      what,
      "imageLayoutVersion",
      `is ${JSON.stringify(value["imageLayoutVersion"])}; only "1.0.0" is known`,
    );
  }
  return value as unknown as ImageLayout;
}
