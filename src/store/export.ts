import { join } from "node:path";
import type { IndexFile } from "../registry/layout/index-file.ts";
import { annotationKeys } from "../spec/annotations.ts";
import { mediaTypes } from "../spec/media-types.ts";
import type { Descriptor } from "../spec/types.ts";
import { removeAbandoned } from "../sys/abandoned.ts";
import { removeDeadLock } from "../sys/lock.ts";
import { openRegularFile } from "../sys/regular-file.ts";
import { DEFAULT_NAMESPACE } from "./directory.ts";
import type { NamespacedImage, SqlImages } from "./sql/images.ts";

const keys = {
  generation: "dev.gantry.generation",
  name: "dev.gantry.name",
  namespace: "dev.gantry.namespace",
  labels: "dev.gantry.labels",
  created: "dev.gantry.created",
  updated: "dev.gantry.updated",
} as const;

/**
 * Writes the names into the index.json of the store, where other tools find those of the default namespace as
 * ref.name. Every change calls this; where somebody's later export has the change already, there is nothing to do.
 * The database keeps exporters apart: unlike a file's, its lock ends with the process that holds it.
 * @param atLeast the generation that must be in the file afterwards
 * @param shown which images the file shows. Default: all
 */
export async function exportNames(
  index: IndexFile,
  images: SqlImages,
  atLeast: number,
  shown: (image: NamespacedImage) => boolean = () => true,
): Promise<void> {
  if ((await exportedGeneration(index.path)) >= atLeast) return;
  await images.exclusively(`export ${index.path}`, async (snapshot) => {
    if ((await exportedGeneration(index.path)) >= atLeast) return;
    const { generation, images: all } = await snapshot();
    await index.replace({
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      // At the beginning of the file, where it can be read without the rest.
      annotations: { [keys.generation]: String(generation) },
      manifests: all.filter(shown).map(toEntry),
    });
  });
}

/** Removes what killed processes left beside the files of a store that are written anew as a whole. */
export async function removeLeftovers(directory: string): Promise<void> {
  await removeAbandoned(directory, ["version.json", "index.json", "oci-layout"]);
  await removeAbandoned(join(directory, "cache"));
  // The next collection takes over the lock of a dead one; no process may ever want these again.
  for (const name of ["version.json.lock", "index.json.lock"])
    await removeDeadLock(join(directory, name)).catch(() => {});
}

/** Which change of the names is the last that an index.json shows; -1 where it is not of our making. */
export async function exportedGeneration(path: string): Promise<number> {
  const file = await openRegularFile(path).catch(() => undefined);
  if (!file) return -1;
  try {
    const { buffer, bytesRead } = await file.handle.read(Buffer.alloc(256), 0, 256, 0);
    const match = /"dev\.gantry\.generation":"(\d+)"/.exec(buffer.toString("utf8", 0, bytesRead));
    return match ? Number(match[1]) : -1;
  } finally {
    await file.handle.close();
  }
}

function toEntry({ namespace, name, target, labels, createdAt, updatedAt }: NamespacedImage): Descriptor {
  const own = namespace === DEFAULT_NAMESPACE;
  return {
    ...target,
    annotations: {
      ...target.annotations,
      ...(own ? { [annotationKeys.refName]: name } : { [keys.name]: name, [keys.namespace]: namespace }),
      ...(Object.keys(labels).length > 0 && { [keys.labels]: JSON.stringify(labels) }),
      [keys.created]: createdAt.toISOString(),
      [keys.updated]: updatedAt.toISOString(),
    },
  };
}

/** The image that an entry of an exported index stands for; undefined for entries without a name. */
export function fromEntry(entry: Descriptor): NamespacedImage | undefined {
  const { annotations = {}, ...rest } = entry;
  const {
    [annotationKeys.refName]: refName,
    [keys.name]: otherName,
    [keys.namespace]: namespace = DEFAULT_NAMESPACE,
    [keys.labels]: labels,
    [keys.created]: created,
    [keys.updated]: updated,
    ...others
  } = annotations;
  const name = otherName ?? refName;
  if (name === undefined) return undefined;
  const time = (text: string | undefined): Date => {
    const date = new Date(text ?? 0);
    return Number.isNaN(date.getTime()) ? new Date(0) : date;
  };
  return {
    namespace,
    name,
    target: Object.keys(others).length > 0 ? { ...rest, annotations: others } : rest,
    labels: parseLabels(labels),
    createdAt: time(created),
    updatedAt: time(updated ?? created),
  };
}

function parseLabels(text: string | undefined): Record<string, string> {
  try {
    const value = JSON.parse(text ?? "{}") as Record<string, unknown>;
    return Object.fromEntries(
      Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
    );
  } catch {
    return {};
  }
}
