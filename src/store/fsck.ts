import { isGantryError } from "../base/error.ts";
import type { OperationOptions } from "../base/progress.ts";
import type { Digest } from "../spec/digest.ts";
import { isDigest, shortDigest } from "../spec/digest.ts";
import { DEFAULT_NAMESPACE } from "./export.ts";
import type { Collectable } from "./gc.ts";
import { restoreTrash } from "./gc.ts";
import { inventory, type Missing, PresenceScan } from "./presence.ts";
import type { NamespacedImage } from "./sql/images.ts";

export interface FsckOptions extends OperationOptions {
  /** Also repair what can be repaired from what is here. */
  readonly rebuild?: boolean;
}

/** Something that is wrong in a store. */
export interface Finding {
  readonly kind: "damaged" | "incomplete" | "absent" | "stray" | "database";
  readonly message: string;
  /** The command that mends it. */
  readonly repair?: string;
  readonly digest?: Digest;
  readonly image?: string;
}

export interface FsckReport {
  /** Blobs that were hashed. */
  readonly blobs: number;
  readonly bytes: number;
  readonly images: number;
  readonly findings: readonly Finding[];
  /** What was mended on the way. */
  readonly repaired: readonly string[];
}

/** What a check needs of a store, beyond what a collection does. */
export interface Checkable extends Collectable {
  /** Whether names are shared with other hosts, and so need not be here. */
  readonly shared: boolean;
  /** What the database says of its own state; empty where it is sound. */
  checkDatabase(): Promise<readonly string[]>;
  /** Brings index.json up to date; true where it was not. */
  exportAll(): Promise<boolean>;
}

/**
 * Hashes every blob and follows every image. Nothing is changed but what was left half done: what a killed collection
 * had put aside comes back, and index.json is brought up to date. With `rebuild` damaged blobs are removed, so that a
 * pull can bring them again.
 */
export async function checkStore(store: Checkable, options: FsckOptions = {}): Promise<FsckReport> {
  const findings: Finding[] = [];
  const repaired: string[] = [];
  await restoreTrash(store.blobs);
  for (const fault of await store.checkDatabase()) {
    findings.push({ kind: "database", message: `the database: ${fault}`, repair: "gantry images fsck --rebuild" });
  }
  if (await store.exportAll()) repaired.push("index.json was behind the names; it was written again");
  const { sound, damaged, bytes } = await hashBlobs(store, findings, options);
  if (options.rebuild) {
    for (const digest of damaged) {
      await store.blobs.delete(digest);
      repaired.push(`removed the damaged blob ${digest}`);
    }
  }
  const { images } = await store.snapshot();
  const scan = new PresenceScan(store.blobs, sound, store.limits);
  for (const image of images) findings.push(...examine(scan, image, store.shared));
  return { blobs: sound.size + damaged.length, bytes, images: images.length, findings, repaired };
}

/** Which blobs are what their names say. */
async function hashBlobs(
  store: Checkable,
  findings: Finding[],
  options: FsckOptions,
): Promise<{ sound: ReadonlySet<string>; damaged: readonly Digest[]; bytes: number }> {
  const sound = new Set<string>();
  const damaged: Digest[] = [];
  let bytes = 0;
  const all = await inventory(store.directory);
  options.progress?.({ type: "start", id: "fsck", label: "hashing blobs" });
  for (const digest of all) {
    options.signal?.throwIfAborted();
    if (!isDigest(digest)) {
      findings.push({
        kind: "stray",
        message: `blobs/${digest.replace(":", "/")} has a name that is no digest; nothing uses it`,
      });
      continue;
    }
    const fault = await hashBlob(store, digest, options.signal, (count) => {
      bytes += count;
      options.progress?.({ type: "advance", id: "fsck", done: bytes });
    });
    if (fault === "gone") continue;
    if (fault === undefined) sound.add(digest);
    else {
      damaged.push(digest);
      const repair = options.rebuild ? undefined : "gantry images fsck --rebuild, then pull what it says";
      findings.push({ kind: "damaged", digest, message: fault, ...(repair && { repair }) });
    }
  }
  options.progress?.({ type: "end", id: "fsck", result: "done" });
  return { sound, damaged, bytes };
}

async function hashBlob(
  store: Checkable,
  digest: Digest,
  signal: AbortSignal | undefined,
  count: (bytes: number) => void,
): Promise<string | "gone" | undefined> {
  try {
    const content = await store.blobs.read({ digest });
    await content.pipe((chunk) => count(chunk.byteLength), signal ? { signal } : {});
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    // A collection at the same time may remove what nobody wants.
    if (isGantryError(error, "BLOB_UNKNOWN")) return "gone";
    if (isGantryError(error)) return error.message;
    throw error;
  }
}

function examine(scan: PresenceScan, image: NamespacedImage, shared: boolean): Finding[] {
  const { name, namespace, target } = image;
  const { state, platforms, missing } = scan.examine(target);
  const pull = (platform?: string): string =>
    [
      "gantry pull",
      namespace !== DEFAULT_NAMESPACE && `--namespace ${namespace}`,
      platform && `--platform ${platform}`,
      name,
    ]
      .filter(Boolean)
      .join(" ");
  if (state === "absent") {
    if (shared) return [];
    return [{ kind: "absent", image: name, message: `${name}: nothing of it is here`, repair: pull() }];
  }
  if (missing.length === 0) {
    if (state === "complete" || platforms.length > 0) return [];
    return [{ kind: "incomplete", image: name, message: `${name}: no platform of it is here`, repair: pull() }];
  }
  const byPlatform = new Map<string | undefined, Missing[]>();
  for (const entry of missing) byPlatform.set(entry.platform, [...(byPlatform.get(entry.platform) ?? []), entry]);
  return [...byPlatform].map(([platform, entries]) => ({
    kind: "incomplete",
    image: name,
    message: `${name}${platform ? ` for ${platform}` : ""}: missing ${entries.map(describe).join(", ")}`,
    repair: pull(platform),
  }));
}

function describe({ descriptor, parent }: Missing): string {
  return `${descriptor.digest} (${descriptor.mediaType}, of manifest ${shortDigest(parent)})`;
}
