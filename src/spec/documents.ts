import { embeddedFault } from "./data.ts";
import { mediaTypes } from "./media-types.ts";
import {
  anyObject,
  boolean,
  constant,
  digest,
  type Field,
  fields,
  list,
  map,
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
const TIME_RULE = "formatted as defined by RFC 3339, section 5.6.";
const OPTIONAL = "config.md: Any OPTIONAL field MAY also be set to null, which is equivalent to being absent.";

const mediaTypeName = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;
const uri = /^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$/;
const dateTime =
  /^(\d{4})-(\d{2})-(\d{2})T([01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i;

const matches = (schema: Schema, pattern: RegExp, fault: string): Schema =>
  strictly(schema, (value: string) => (pattern.test(value) ? undefined : fault));

const mediaType = matches(nonEmptyString, mediaTypeName, "must be a media type such as application/json");
const laxMediaType = matches(string, mediaTypeName, "must be a media type such as application/json");
const time = strictly(string, (value: string) =>
  isDateTime(value) ? undefined : "must be a date and time such as 2026-01-31T23:59:59Z",
);
const annotations = map(string);

function isDateTime(text: string): boolean {
  const match = dateTime.exec(text);
  if (!match) return false;
  const [year, month, day] = match.slice(1, 4).map(Number) as [number, number, number];
  return month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

const platformFields = (
  page: string,
): Record<"architecture" | "os" | "os.version" | "os.features" | "variant", Field> => ({
  architecture: {
    schema: string,
    required: true,
    empty: () => "",
    rule: `${page}: architecture: This REQUIRED property specifies the CPU architecture.`,
  },
  os: {
    schema: string,
    required: true,
    empty: () => "",
    rule: `${page}: os: This REQUIRED property specifies the operating system.`,
  },
  "os.version": {
    schema: string,
    rule: `${page}: os.version: This OPTIONAL property specifies the version of the operating system targeted by the referenced blob.`,
  },
  "os.features": {
    schema: list(string),
    rule: `${page}: os.features: This OPTIONAL property specifies an array of strings, each specifying a mandatory OS feature.`,
  },
  variant: { schema: string, rule: `${page}: variant: This OPTIONAL property specifies the variant of the CPU.` },
});

export const platform: Schema = fields(platformFields("image-index.md"));

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

/** Entries that are descriptors, each under the rules of the page that descriptors have. */
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

const text = (rule: string): Field => ({ schema: string, rule: `config.md: ${rule}` });
const strings = (rule: string): Field => ({ schema: list(string), rule: `config.md: ${rule}` });

const runtimeConfig = fields(
  {
    User: text("User: The username or UID which is a platform-specific structure."),
    ExposedPorts: {
      schema: strictly(map(anyObject), (value: object) => {
        const wrong = Object.keys(value).find((port) => !/^\d{1,5}(?:-\d{1,5})?(?:\/[a-z]+)?$/.test(port));
        return wrong === undefined ? undefined : `has the key ${JSON.stringify(wrong)}, which is no port`;
      }),
      rule: "config.md: ExposedPorts: Its keys can be in the format of: `port/tcp`, `port/udp`, `port`.",
    },
    Env: {
      schema: list(matches(string, /^[^=]+=/, "must be NAME=VALUE")),
      rule: "config.md: Env: Entries are in the format of `VARNAME=VARVALUE`.",
    },
    Entrypoint: strings("Entrypoint: A list of arguments to use as the command to execute when the container starts."),
    Cmd: strings("Cmd: Default arguments to the entrypoint of the container."),
    Volumes: {
      schema: map(anyObject),
      rule: "config.md: Volumes: is represented in JSON as an object mapping its keys to an empty object.",
    },
    WorkingDir: text("WorkingDir: Sets the current working directory of the entrypoint process in the container."),
    Labels: { schema: map(string), rule: "config.md: Labels: This property MUST use the annotation rules." },
    StopSignal: text(
      "StopSignal: This field contains the system call signal that will be sent to the container to exit.",
    ),
    ArgsEscaped: {
      schema: boolean,
      rule: "config.md: ArgsEscaped: If `true` the value in `Entrypoint` or `Cmd` should be used as-is to avoid double escaping.",
    },
  },
  { nullable: true },
);

const history = fields(
  {
    created: { schema: time, rule: `config.md: A combined date and time at which the layer was created, ${TIME_RULE}` },
    created_by: text("The command which created the layer."),
    author: text("The author of the build point."),
    comment: text("A custom message set when creating the layer."),
    empty_layer: { schema: boolean, rule: OPTIONAL },
  },
  { nullable: true },
);

/** image-spec config.md, "Properties". */
export const image: Schema = fields(
  {
    created: {
      schema: time,
      rule: `config.md: An combined date and time at which the image was created, ${TIME_RULE}`,
    },
    author: text("Gives the name and/or email address of the person or entity which created the image."),
    ...platformFields("config.md"),
    config: {
      schema: runtimeConfig,
      rule: "config.md: The execution parameters which SHOULD be used as a base when running a container using the image.",
    },
    rootfs: {
      schema: fields(
        {
          type: { schema: constant("layers"), required: true, rule: "config.md: type: MUST be set to `layers`." },
          diff_ids: {
            schema: list(digest),
            required: true,
            // Go writes null for the layers of an image that has none.
            empty: () => [],
            rule: "config.md: diff_ids: An array of layer content hashes (`DiffIDs`), in order from first to last.",
          },
        },
        { nullable: true },
      ),
      required: true,
      rule: "config.md: The rootfs key references the layer content addresses used by the image.",
    },
    history: { schema: list(history), rule: "config.md: history: Describes the history of each layer." },
  },
  { nullable: true },
);

/** image-spec image-layout.md, "oci-layout file". */
export const layout: Schema = fields({
  imageLayoutVersion: {
    schema: string,
    required: true,
    rule: "image-layout.md: It MUST contain an `imageLayoutVersion` field.",
  },
});
