import type { IndexFile } from "../registry/layout/index-file.ts";
import { annotationKeys } from "../spec/annotations.ts";
import { mediaTypes } from "../spec/media-types.ts";
import type { Descriptor } from "../spec/types.ts";
import { openRegularFile } from "../sys/regular-file.ts";
import { DEFAULT_NAMESPACE } from "./directory.ts";
import type { NamespacedImage } from "./sql/image-rows.ts";
import type { Snapshot } from "./sql/images.ts";

const keys = {
  generation: "dev.gantry.generation",
  name: "dev.gantry.name",
  namespace: "dev.gantry.namespace",
  labels: "dev.gantry.labels",
  created: "dev.gantry.created",
  updated: "dev.gantry.updated",
} as const;

/** Bytes at the beginning of index.json that hold its generation. */
const HEAD_BYTES = 256;

/** The index.json of a store. Other tools find the names of the default namespace in it as ref.name. */
export function exportedIndex({ generation, images }: Snapshot): object {
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    // Before the entries, so that the generation can be read without them.
    annotations: { [keys.generation]: String(generation) },
    manifests: images.map(toEntry),
  };
}

/** The last change of the names that an index.json shows; -1 for a file that another tool wrote, and for none. */
export async function exportedGeneration(path: string): Promise<number> {
  const file = await openRegularFile(path).catch(() => undefined);
  if (!file) return -1;
  try {
    const { buffer, bytesRead } = await file.handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    const match = /"dev\.gantry\.generation":"(\d+)"/.exec(buffer.toString("utf8", 0, bytesRead));
    return match ? Number(match[1]) : -1;
  } finally {
    await file.handle.close();
  }
}

/** The names that an index.json shows. @throws NAME_UNKNOWN, INVALID_DOCUMENT */
export async function exportedNames(index: IndexFile): Promise<readonly NamespacedImage[]> {
  return (await index.read()).manifests.flatMap((entry) => fromEntry(entry) ?? []);
}

function toEntry({ namespace, name, target, labels, createdAt, updatedAt }: NamespacedImage): Descriptor {
  const annotations: Record<string, string> = { ...target.annotations };
  if (namespace === DEFAULT_NAMESPACE) annotations[annotationKeys.refName] = name;
  else Object.assign(annotations, { [keys.name]: name, [keys.namespace]: namespace });
  if (Object.keys(labels).length > 0) annotations[keys.labels] = JSON.stringify(labels);
  annotations[keys.created] = createdAt.toISOString();
  annotations[keys.updated] = updatedAt.toISOString();
  return { ...target, annotations };
}

/** The image of an entry; undefined for an entry without a name. */
function fromEntry(entry: Descriptor): NamespacedImage | undefined {
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
