import type { Limits } from "../base/limits.ts";
import type { Provider } from "../content/source.ts";
import { type Digest, isDigest } from "../spec/digest.ts";
import { isCheckpointType, isConfigType, isLayerType, mediaTypes } from "../spec/media-types.ts";
import type { Descriptor } from "../spec/types.ts";
import { childrenOf, isDocument, readDocument } from "./graph.ts";
import type { Handler } from "./handlers.ts";
import { attestationsOf, type PlatformChoice, PlatformSelection } from "./select.ts";

export interface ChildrenOptions {
  /** Which entries of an index are children. Default: all. */
  readonly platforms?: PlatformChoice | undefined;
  /** Where `platforms` leaves entries out: whether the attestations about the chosen ones are children too. */
  readonly attestations?: boolean | undefined;
  /** Where given, what it finds about a manifest or an index (its signatures, its SBOM) comes after the children. */
  readonly referrers?:
    | ((
        subject: Digest,
        options: { readonly signal?: AbortSignal | undefined },
      ) => AsyncIterable<Descriptor> | Iterable<Descriptor>)
    | undefined;
  /** Told of media types and of digest algorithms that are not known; such content is taken for childless. */
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly limits?: Limits | undefined;
}

/**
 * A handler that returns what a descriptor leads to: of an index its manifests; of a manifest its config, then its
 * layers. Documents are read whole and verified. Layers, configs, checkpoints, and whatever else has `urls`, have no
 * children, and neither has what cannot be verified.
 * @throws what the provider and the decoders throw; PLATFORM_NOT_FOUND
 */
export function childrenHandler(provider: Provider, options: ChildrenOptions = {}): Handler {
  const selection = new PlatformSelection(provider, options.platforms ?? "all", "the image");
  return async (descriptor, { signal }) => {
    if (!isDocument(descriptor)) {
      if (!isKnownLeaf(descriptor)) {
        options.onWarning?.(
          `${descriptor.digest} is a ${descriptor.mediaType}, which is not known; what it may lead to is left out`,
        );
      }
      return [];
    }
    if (!isDigest(descriptor.digest)) {
      options.onWarning?.(
        `${descriptor.digest} has an algorithm that is not known, so it cannot be verified; what it may lead to is left out`,
      );
      return [];
    }
    const call = { signal, limits: options.limits };
    const { document } = await readDocument(provider, descriptor, call);
    const children = [...childrenOf(document)];
    if (document.kind === "index" && options.platforms && options.platforms !== "all") {
      const chosen = await selection.select(document.index, descriptor.digest, call);
      const about = options.attestations ? chosen.flatMap(({ digest }) => attestationsOf(document.index, digest)) : [];
      children.splice(0, children.length, ...chosen, ...about);
    }
    if (options.referrers) {
      for await (const referrer of options.referrers(descriptor.digest, { signal })) {
        children.push(referrer);
      }
    }
    return children;
  };
}

function isKnownLeaf({ mediaType, urls }: Descriptor): boolean {
  return (
    isLayerType(mediaType) ||
    isConfigType(mediaType) ||
    isCheckpointType(mediaType) ||
    mediaType === mediaTypes.emptyJson ||
    (urls?.length ?? 0) > 0
  );
}
