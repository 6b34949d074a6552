import type { Digest } from "./digest.ts";

/** The release of the OCI image specification that these types follow. */
export const specVersion = "1.1.1";

/** Names and version of an image layout (image-spec image-layout.md, "Content"). */
export const imageLayout = {
  file: "oci-layout",
  version: "1.0.0",
  indexFile: "index.json",
  blobsDirectory: "blobs",
} as const;

/** The first field of every manifest and index: `schemaVersion` is 2, for old versions of Docker. */
export interface Versioned {
  readonly schemaVersion: 2;
}

/** image-spec image-index.md, "platform". Names are those of Go's GOOS and GOARCH. */
export interface Platform {
  readonly architecture: string;
  readonly os: string;
  /** Such as `10.0.14393.1066` on Windows. */
  readonly "os.version"?: string | undefined;
  readonly "os.features"?: readonly string[] | undefined;
  /** The variant of the CPU: `v7` of arm. */
  readonly variant?: string | undefined;
}

/** image-spec descriptor.md: identifies content, so that it can be fetched and verified. `size` is in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  /** A document may list any algorithm; reading content with one other than sha256 or sha512 is UNSUPPORTED_ALGORITHM. */
  readonly digest: Digest;
  readonly size: number;
  /** Other places to download the content from. */
  readonly urls?: readonly string[] | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** The content itself, base64, not verified: `embeddedData` verifies it. */
  readonly data?: string | undefined;
  /** The platform that the image needs; for manifests only. */
  readonly platform?: Platform | undefined;
  /** The kind of artifact that this points to. */
  readonly artifactType?: string | undefined;
}

/** image-spec manifest.md; also Docker's image manifest v2, schema 2. */
export interface Manifest extends Versioned {
  readonly mediaType?: string | undefined;
  readonly artifactType?: string | undefined;
  readonly config: Descriptor;
  /** From the base upwards. */
  readonly layers: readonly Descriptor[];
  /** The manifest that this one is about: that of the signed image, if this is a signature. */
  readonly subject?: Descriptor | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** image-spec image-index.md; also Docker's manifest list. */
export interface Index extends Versioned {
  readonly mediaType?: string | undefined;
  readonly artifactType?: string | undefined;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** image-spec config.md, "config": the defaults for running a container of the image. */
export interface ImageConfig {
  /** `user`, `uid`, `user:group`, `uid:gid`, or mixed. */
  readonly User?: string | undefined;
  /** Keys are `port`, `port/tcp`, `port/udp`; values are empty objects. */
  readonly ExposedPorts?: Readonly<Record<string, object>> | undefined;
  /** `NAME=VALUE` each. */
  readonly Env?: readonly string[] | undefined;
  readonly Entrypoint?: readonly string[] | undefined;
  readonly Cmd?: readonly string[] | undefined;
  /** Keys are directories; values are empty objects. */
  readonly Volumes?: Readonly<Record<string, object>> | undefined;
  readonly WorkingDir?: string | undefined;
  readonly Labels?: Readonly<Record<string, string>> | undefined;
  /** `SIGTERM`, `SIGRTMIN+3`. */
  readonly StopSignal?: string | undefined;
  /** @deprecated Docker on Windows: `Entrypoint` or `Cmd` is one command line, escaped already. */
  readonly ArgsEscaped?: boolean | undefined;
}

/** image-spec config.md, "rootfs": the layers by the digests of their uncompressed archives, from the base upwards. */
export interface RootFS {
  readonly type: "layers";
  readonly diff_ids: readonly Digest[];
}

/** image-spec config.md, "history": how one layer was made. Times are RFC 3339. */
export interface History {
  readonly created?: string | undefined;
  readonly created_by?: string | undefined;
  readonly author?: string | undefined;
  readonly comment?: string | undefined;
  /** True for steps that made no layer. */
  readonly empty_layer?: boolean | undefined;
}

/** image-spec config.md: the document that a manifest's `config` points to. */
export interface Image extends Platform {
  /** RFC 3339. */
  readonly created?: string | undefined;
  readonly author?: string | undefined;
  readonly config?: ImageConfig | undefined;
  readonly rootfs: RootFS;
  readonly history?: readonly History[] | undefined;
}

/** image-spec image-layout.md, "oci-layout file". */
export interface ImageLayout {
  readonly imageLayoutVersion: string;
}
