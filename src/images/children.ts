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
  /** With `platforms`: whether the attestations about the chosen entries are children too. */
  readonly attestations?: boolean | undefined;
  /** Finds the referrers of a manifest or an index (signatures, SBOMs), which come after its children. */
  readonly referrers?:
    | ((
        subject: Digest,
        options: { readonly signal?: AbortSignal | undefined },
      ) => AsyncIterable<Descriptor> | Iterable<Descriptor>)
    | undefined;
  /** Called for unknown media types and digest algorithms: such content is treated as having no children. */
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly limits?: Limits | undefined;
}

/**
 * A handler that returns the children of a descriptor: the manifests of an index; the config of a manifest, then its
 * layers. Documents are read whole and verified. Layers, configs, checkpoints, content with `urls`, and content that
 * cannot be verified have no children.
 * @throws errors of the provider and the decoders; PLATFORM_NOT_FOUND
 */
export function childrenHandler(provider: Provider, options: ChildrenOptions = {}): Handler {
  const selection = new PlatformSelection(provider, options.platforms ?? "all", "the image");
  return async (descriptor, { signal }) => {
    if (!isDocument(descriptor)) {
      if (!isKnownLeaf(descriptor)) {
        options.onWarning?.(
          `${descriptor.digest} has the unknown media type ${descriptor.mediaType}; its children, if any, are left out`,
        );
      }
      return [];
    }
    if (!isDigest(descriptor.digest)) {
      options.onWarning?.(
        `${descriptor.digest} has an unknown algorithm, so it cannot be verified; its children, if any, are left out`,
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
