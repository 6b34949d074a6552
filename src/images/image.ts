import { GantryError } from "../base/error.ts";
import type { Provider } from "../content/source.ts";
import { decodeImage } from "../spec/decode.ts";
import type { Digest } from "../spec/digest.ts";
import type { Descriptor, Platform } from "../spec/types.ts";
import { childrenHandler } from "./children.ts";
import { type GraphOptions, readBlob, readDocument } from "./graph.ts";
import { handlers, walk } from "./handlers.ts";
import { diffIDs } from "./identity.ts";
import { manifestForPlatform, platformsOf } from "./select.ts";

export interface ImageOptions extends GraphOptions {
  /** Which image of an index. */
  readonly platform?: Platform | undefined;
}

/**
 * The descriptor of an image's configuration.
 * @throws PLATFORM_REQUIRED, which lists the platforms, for an index if no platform was given; PLATFORM_NOT_FOUND,
 * NOT_AN_IMAGE, errors of reading
 */
export async function config(provider: Provider, target: Descriptor, options: ImageOptions = {}): Promise<Descriptor> {
  if (!options.platform) {
    const { document } = await readDocument(provider, target, options);
    if (document.kind === "index") {
      const offered = platformsOf(document.index);
      throw new GantryError(
        "PLATFORM_REQUIRED",
        `${target.digest} is an index; choose one of its platforms: ${offered.join(", ") || "its entries name none"}`,
        { details: { offered } },
      );
    }
  }
  const { manifest } = await manifestForPlatform(provider, target, options);
  return manifest.config;
}

/** The diffIDs of a configuration, from the base upwards. @throws errors of reading and decoding */
export async function rootFS(
  provider: Provider,
  config: Descriptor,
  options: GraphOptions = {},
): Promise<readonly Digest[]> {
  const bytes = await readBlob(provider, config, options);
  return diffIDs(decodeImage(bytes, `config ${config.digest}`, options.limits));
}

/**
 * The size in bytes of a target and all its descendants: the manifests, configurations and layers of all platforms, each
 * content counted once. With a platform, that of its image only.
 * @throws errors of reading; without a platform, also if the content of one platform is missing
 */
export async function size(provider: Provider, target: Descriptor, options: ImageOptions = {}): Promise<number> {
  const counted = new Map<Digest, number>();
  const count = ({ digest, size: bytes }: Descriptor): void => void counted.set(digest, bytes);
  const { platform, ...call } = options;
  const children = childrenHandler(provider, {
    platforms: platform && [platform],
    limits: call.limits,
  });
  await walk(handlers(count, children), target, call);
  return [...counted.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** An image: its descriptor, and the provider to read it from. Nothing is read before a method needs it. */
export class Image {
  readonly provider: Provider;
  readonly target: Descriptor;
  readonly platform: Platform | undefined;

  constructor(provider: Provider, target: Descriptor, options: { readonly platform?: Platform | undefined } = {}) {
    this.provider = provider;
    this.target = target;
    this.platform = options.platform;
  }

  #options(call: GraphOptions): ImageOptions {
    return { ...call, platform: this.platform };
  }

  /** As {@link config}, for this image's platform. */
  config(call: GraphOptions = {}): Promise<Descriptor> {
    return config(this.provider, this.target, this.#options(call));
  }

  /** As {@link rootFS}, of this image's configuration. */
  async rootFS(call: GraphOptions = {}): Promise<readonly Digest[]> {
    return rootFS(this.provider, await this.config(call), call);
  }

  /** As {@link size}. */
  size(call: GraphOptions = {}): Promise<number> {
    return size(this.provider, this.target, this.#options(call));
  }
}
