/** Keys of annotations that the specification defines (image-spec annotations.md, "Pre-Defined Annotation Keys"). */
export const annotationKeys = {
  /** When the image was built, RFC 3339. */
  created: "org.opencontainers.image.created",
  /** The people or organisation responsible for the image, free text. */
  authors: "org.opencontainers.image.authors",
  /** Where to read more about the image. */
  url: "org.opencontainers.image.url",
  documentation: "org.opencontainers.image.documentation",
  /** Where the source code is. */
  source: "org.opencontainers.image.source",
  /** The version of the packaged software. */
  version: "org.opencontainers.image.version",
  /** The revision of the source that the image was built from. */
  revision: "org.opencontainers.image.revision",
  vendor: "org.opencontainers.image.vendor",
  /** An SPDX license expression. */
  licenses: "org.opencontainers.image.licenses",
  /** The name of a target; only meaningful on descriptors in an index.json. */
  refName: "org.opencontainers.image.ref.name",
  title: "org.opencontainers.image.title",
  description: "org.opencontainers.image.description",
  /** The digest of the manifest of the image that this one was built upon. */
  baseDigest: "org.opencontainers.image.base.digest",
  /** The reference of the image that this one was built upon. */
  baseName: "org.opencontainers.image.base.name",
} as const;
