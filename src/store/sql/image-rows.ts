import type { Descriptor } from "../../spec/types.ts";
import type { StoredImage } from "../images.ts";
import type { SqlRow, SqlValue } from "./database.ts";

/** An image and the namespace that its name is in. */
export interface NamespacedImage extends StoredImage {
  readonly namespace: string;
}

/** The columns that {@link toImage} reads. */
export const IMAGE_COLUMNS = "name, target, labels, created_at, updated_at";

export function toImage(row: SqlRow): StoredImage {
  return {
    name: String(row["name"]),
    target: JSON.parse(String(row["target"])) as Descriptor,
    labels: JSON.parse(String(row["labels"])) as Record<string, string>,
    createdAt: new Date(String(row["created_at"])),
    updatedAt: new Date(String(row["updated_at"])),
  };
}

/** The columns of a row in the order of {@link imageValues}, and a placeholder for each. */
export const ROW_COLUMNS = "namespace, name, digest, media_type, target, labels, created_at, updated_at";
export const ROW_PLACES = "(?, ?, ?, ?, ?, ?, ?, ?)";

export function imageValues(image: NamespacedImage): SqlValue[] {
  const { namespace, name, target, labels, createdAt, updatedAt } = image;
  return [
    namespace,
    name,
    target.digest,
    target.mediaType,
    JSON.stringify(target),
    JSON.stringify(labels),
    createdAt.toISOString(),
    updatedAt.toISOString(),
  ];
}
