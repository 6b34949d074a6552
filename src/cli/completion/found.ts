import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { annotationKeys } from "../../spec/annotations.ts";
import { defaultStoreDirectory } from "../../store/directory.ts";
import { readSmallFile } from "../../sys/regular-file.ts";

const MAX_INDEX = 16 << 20;

/** The directories that can complete the path after `oci:`. */
export async function layoutDirectories(path: string): Promise<string[]> {
  const parent = path.endsWith("/") ? path : path === "" || !path.includes("/") ? "." : dirname(path);
  const prefix = path.slice(0, path.lastIndexOf("/") + 1);
  try {
    const entries = await readdir(parent, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
    return names.map(({ name }) => `oci:${prefix}${name}`);
  } catch {
    return [];
  }
}

/** Names of the store, from the index.json that it exports, so that no database is opened at a key press. */
export async function storedNames(store: string | undefined): Promise<string[]> {
  try {
    const file = join(store ?? defaultStoreDirectory(), "index.json");
    const text = (await readSmallFile(file, { limit: MAX_INDEX }))?.toString("utf8") ?? "{}";
    const { manifests = [] }: { manifests?: { annotations?: Record<string, string> }[] } = JSON.parse(text);
    return manifests.flatMap(({ annotations }) => annotations?.[annotationKeys.refName] ?? []);
  } catch {
    return [];
  }
}
