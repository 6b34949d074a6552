import { mediaTypes } from "../spec/media-types.ts";
import { unsupported } from "./refusals.ts";
import type { Registry } from "./registry.ts";

/** An object with a name and some of the methods of a registry. */
export type RegistryParts = Pick<Registry, "name"> & {
  readonly [Method in Exclude<keyof Registry, "name">]?: Registry[Method] | undefined;
};

/**
 * Makes a registry from an object that has only some of the methods, for example `getManifest` and `getBlob`: a reader
 * without `resolveManifest` and `resolveBlob` resolves with them. Other missing methods throw UNSUPPORTED, missing lists
 * throw it when they are read, and a missing `close` does nothing. Methods keep their own `this`. An object that has all
 * methods is returned unchanged.
 */
export function completeRegistry(parts: RegistryParts): Registry {
  const refuse = (what: string) => async (): Promise<never> => {
    throw unsupported(parts.name, what);
  };
  const refuseList = (what: string) => (): AsyncIterable<never> => ({
    [Symbol.asyncIterator]: () => ({ next: refuse(what) }),
  });
  const whole: Registry = {
    name: parts.name,
    getManifest: parts.getManifest?.bind(parts) ?? refuse("reading manifests"),
    getBlob: parts.getBlob?.bind(parts) ?? refuse("reading blobs"),
    getBlobRange: parts.getBlobRange?.bind(parts) ?? refuse("ranges of blobs"),
    resolveManifest: parts.resolveManifest?.bind(parts) ?? manifestResolver(parts) ?? refuse("resolving manifests"),
    resolveBlob: parts.resolveBlob?.bind(parts) ?? blobResolver(parts) ?? refuse("resolving blobs"),
    pushBlob: parts.pushBlob?.bind(parts) ?? refuse("pushing blobs"),
    openUpload: parts.openUpload?.bind(parts) ?? refuse("uploads"),
    mountBlob: parts.mountBlob?.bind(parts) ?? refuse("mounting blobs"),
    pushManifest: parts.pushManifest?.bind(parts) ?? refuse("pushing manifests"),
    deleteBlob: parts.deleteBlob?.bind(parts) ?? refuse("deleting blobs"),
    deleteManifest: parts.deleteManifest?.bind(parts) ?? refuse("deleting manifests"),
    deleteTag: parts.deleteTag?.bind(parts) ?? refuse("deleting tags"),
    repositories: parts.repositories?.bind(parts) ?? refuseList("listing repositories"),
    tags: parts.tags?.bind(parts) ?? refuseList("listing tags"),
    referrers: parts.referrers?.bind(parts) ?? refuseList("listing referrers"),
    close: parts.close?.bind(parts) ?? (async () => {}),
  };
  return isComplete(parts, whole) ? parts : whole;
}

function manifestResolver(parts: RegistryParts): Registry["resolveManifest"] | undefined {
  const getManifest = parts.getManifest?.bind(parts);
  return getManifest && (async (...args) => (await getManifest(...args)).descriptor);
}

/** Opens the blob for its size, and closes it unread. */
function blobResolver(parts: RegistryParts): Registry["resolveBlob"] | undefined {
  const getBlob = parts.getBlob?.bind(parts);
  return (
    getBlob &&
    (async (repo, digest, options) => {
      await using content = await getBlob(repo, digest, options);
      const { mediaType = mediaTypes.octetStream, size } = content.descriptor;
      if (size !== undefined) return { mediaType, digest, size };
      throw unsupported(parts.name, "resolving blobs: getBlob does not tell their sizes; implement resolveBlob");
    })
  );
}

function isComplete(parts: RegistryParts, whole: Registry): parts is Registry {
  return (Object.keys(whole) as (keyof Registry)[]).every((method) => parts[method] !== undefined);
}
