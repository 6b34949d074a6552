import { embeddedFault } from "./data.ts";
import { mediaTypes } from "./media-types.ts";
import { platformFields } from "./platform-fields.ts";
import {
  constant,
  digest,
  type Field,
  fields,
  list,
  map,
  matches,
  nonEmptyString,
  type Schema,
  size,
  strictly,
  string,
} from "./schema.ts";
import type { Descriptor } from "./types.ts";

const NAMES_RULE =
  "descriptor.md: Values MUST comply with RFC 6838, including the naming requirements in its section 4.2.";
const ANNOTATIONS_RULE =
  "annotations.md: Annotations MUST be a key-value map where both the key and value MUST be strings.";
const VERSION_RULE =
  "For this version of the specification, this MUST be `2` to ensure backward compatibility with older versions of Docker.";
const mediaTypeName = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;
const uri = /^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$/;
const mediaType = matches(nonEmptyString, mediaTypeName, "must be a media type such as application/json");
const laxMediaType = matches(string, mediaTypeName, "must be a media type such as application/json");
const annotations = map(string);

const platform: Schema = fields(platformFields("image-index.md"));

/** image-spec descriptor.md, "Properties". */
export const descriptor: Schema = strictly(
  fields({
    mediaType: { schema: mediaType, required: true, rule: NAMES_RULE },
    digest: {
      schema: digest,
      required: true,
      rule: 'descriptor.md: A digest string MUST match the following grammar: algorithm ":" encoded.',
    },
    size: {
      schema: size,
      required: true,
      rule: "descriptor.md: This REQUIRED property specifies the size, in bytes, of the raw content. The size MUST NOT be negative.",
    },
    urls: {
      schema: list(matches(string, uri, "must be a URI")),
      rule: "descriptor.md: Each entry MUST conform to RFC 3986.",
    },
    annotations: { schema: annotations, rule: ANNOTATIONS_RULE },
    data: {
      schema: string,
      rule: "descriptor.md: Values MUST conform to the Base 64 encoding, as defined in RFC 4648.",
    },
    platform: {
      schema: platform,
      rule: "image-index.md: This OPTIONAL property describes the minimum runtime requirements of the image.",
    },
    artifactType: { schema: laxMediaType, rule: NAMES_RULE },
  }),
  (value: Descriptor) => {
    const fault = embeddedFault(value);
    return fault && `has data that ${fault.message}`;
  },
);

/** A list of descriptors. */
const descriptors = (rule: string, required: boolean): Field => ({
  schema: list(descriptor),
  required,
  empty: () => [],
  rule,
});

const schemaVersion = (page: string): Field => ({
  schema: constant(2),
  required: true,
  rule: `${page}: ${VERSION_RULE}`,
});

const documentType = (page: string, types: readonly string[]): Field => ({
  schema: strictly(string, (value: string) =>
    types.includes(value) ? undefined : `must be ${types[0]}, or ${types[1]} of Docker`,
  ),
  rule: `${page}: When used, this field MUST contain the media type \`${types[0]}\`.`,
});

/** image-spec manifest.md, "Image Manifest Property Descriptions". */
export const manifest: Schema = strictly(
  fields({
    schemaVersion: schemaVersion("manifest.md"),
    mediaType: documentType("manifest.md", [mediaTypes.manifest, mediaTypes.dockerManifest]),
    artifactType: { schema: laxMediaType, rule: NAMES_RULE },
    config: {
      schema: descriptor,
      required: true,
      rule: "manifest.md: This REQUIRED property references a configuration object for a container, by digest.",
    },
    layers: {
      ...descriptors("manifest.md: For portability, `layers` SHOULD have at least one entry.", true),
      schema: strictly(list(descriptor), (value: readonly unknown[]) =>
        value.length > 0 ? undefined : "has no entry",
      ),
    },
    subject: {
      schema: descriptor,
      rule: "manifest.md: This OPTIONAL property specifies a descriptor of another manifest.",
    },
    annotations: { schema: annotations, rule: ANNOTATIONS_RULE },
  }),
  (value: { artifactType?: string | undefined; config: Descriptor }) =>
    value.config.mediaType === mediaTypes.emptyJson && !value.artifactType
      ? "must have an artifactType, because its config is the empty one (manifest.md: This MUST be set when `config.mediaType` is set to the empty value.)"
      : undefined,
);

/** image-spec image-index.md, "Image Index Property Descriptions". */
export const index: Schema = fields({
  schemaVersion: schemaVersion("image-index.md"),
  mediaType: documentType("image-index.md", [mediaTypes.index, mediaTypes.dockerIndex]),
  artifactType: { schema: laxMediaType, rule: NAMES_RULE },
  manifests: descriptors(
    "image-index.md: While this property MUST be present, the size of the array MAY be zero.",
    true,
  ),
  subject: {
    schema: descriptor,
    rule: "image-index.md: This OPTIONAL property specifies a descriptor of another manifest.",
  },
  annotations: { schema: annotations, rule: ANNOTATIONS_RULE },
});

/** image-spec image-layout.md, "oci-layout file". */
export const layout: Schema = fields({
  imageLayoutVersion: {
    schema: string,
    required: true,
    rule: "image-layout.md: It MUST contain an `imageLayoutVersion` field.",
  },
});
