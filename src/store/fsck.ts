import { isGantryError } from "../base/error.ts";
import type { OperationOptions } from "../base/progress.ts";
import { type Digest, isDigest, shortDigest } from "../spec/digest.ts";
import type { Collectable } from "./gc/collectable.ts";
import { inventory, type Missing, PresenceScan } from "./presence.ts";
import type { NamespacedImage } from "./sql/image-rows.ts";
import { restoreTrash } from "./trash.ts";
import { unnamedManifests } from "./unnamed.ts";

export interface FsckOptions extends OperationOptions {
  /** Also repair what can be repaired from what is here. */
  readonly rebuild?: boolean | undefined;
}

/** Something that is wrong in a store. */
export interface Finding {
  readonly kind: "damaged" | "incomplete" | "absent" | "stray" | "database" | "unnamed";
  readonly message: string;
  /** The command that mends it, as a shell takes it. */
  readonly repair?: string | undefined;
  readonly digest?: Digest | undefined;
  readonly image?: string | undefined;
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

interface CheckOptions extends FsckOptions {
  /** The names were lost, so that images may lie there without one. */
  readonly namesLost?: boolean | undefined;
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
export async function checkStore(store: Checkable, options: CheckOptions = {}): Promise<FsckReport> {
  const findings: Finding[] = [];
  const repaired: string[] = [];
  await restoreTrash(store.blobs);
  const images = await checkNames(store, findings, repaired);
  const { sound, damaged, bytes } = await hashBlobs(store, findings, options);
  if (options.rebuild) {
    for (const digest of damaged) {
      await store.blobs.delete(digest);
      repaired.push(`removed the damaged blob ${digest}`);
    }
  }
  const scan = new PresenceScan(store.blobs, sound, store.limits);
  for (const image of images) findings.push(...examine(scan, image, store, images));
  if (options.namesLost) findings.push(...nameless(store, sound, images));
  return { blobs: sound.size + damaged.length, bytes, images: images.length, findings, repaired };
}

/** What the database says of itself, and its names: none where it cannot be used, which is a finding too. */
async function checkNames(
  store: Checkable,
  findings: Finding[],
  repaired: string[],
): Promise<readonly NamespacedImage[]> {
  const repair = store.advice.command(["images", "fsck", "--rebuild"]);
  try {
    for (const fault of await store.checkDatabase()) {
      findings.push({ kind: "database", message: `the database: ${fault}`, repair });
    }
    if (await store.exportAll()) repaired.push("index.json was behind the names; it was written again");
    return (await store.snapshot()).images;
  } catch (error) {
    if (!isGantryError(error, "STORE_INVALID")) throw error;
    findings.push({ kind: "database", message: error.message, repair });
    return [];
  }
}

/** The images that lie in a store whose names were lost, each with the command that gives it a name. */
function nameless(store: Checkable, sound: ReadonlySet<string>, images: readonly NamespacedImage[]): Finding[] {
  const named = new Set(images.map(({ target }) => target.digest));
  return unnamedManifests(store.blobs, sound, named, store.limits).map((digest) => ({
    kind: "unnamed",
    digest,
    message: `manifest ${digest} has no name, so the next collection removes what it leads to; pull it again, or give it a name`,
    repair: store.advice.command(["tag", `store:localhost/recovered@${digest}`, shortDigest(digest).slice(-12)]),
  }));
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
      const repair = store.advice.command(["images", "fsck", "--rebuild"]);
      const message = `${fault}; without it a pull brings it again`;
      findings.push(
        options.rebuild ? { kind: "damaged", digest, message: fault } : { kind: "damaged", digest, message, repair },
      );
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
    await content.pipe((chunk) => count(chunk.byteLength), { signal });
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    // A collection at the same time may remove what nobody wants.
    if (isGantryError(error, "BLOB_UNKNOWN")) return "gone";
    if (isGantryError(error)) return error.message;
    throw error;
  }
}

function examine(
  scan: PresenceScan,
  image: NamespacedImage,
  { advice, shared }: Checkable,
  images: readonly NamespacedImage[],
): Finding[] {
  const { name, target } = image;
  const { state, platforms, missing } = scan.examine(target);
  const finding = (kind: Finding["kind"], fault: string, platform?: string): Finding => {
    const message = `${name}${platform ? ` for ${platform}` : ""}: ${fault}`;
    const call = { platform };
    // What it was made from brings the same bytes, if that still has its name.
    for (const { name: source, namespace, target: other } of [image, ...images]) {
      const pull = other.digest === target.digest ? advice.pull(source, { ...call, namespace }) : undefined;
      if (pull) return { kind, image: name, message, repair: pull };
    }
    const repair = advice.command(["images", "rm", name], image.namespace);
    return {
      kind,
      image: name,
      message: `${message}; its name does not say where it came from: pull that again, or give the name up`,
      repair,
    };
  };
  if (state === "absent") return shared ? [] : [finding("absent", "nothing of it is here")];
  if (missing.length === 0) {
    return state === "complete" || platforms.length > 0 ? [] : [finding("incomplete", "no platform of it is here")];
  }
  const byPlatform = new Map<string | undefined, Missing[]>();
  for (const entry of missing) byPlatform.set(entry.platform, [...(byPlatform.get(entry.platform) ?? []), entry]);
  return [...byPlatform].map(([platform, entries]) =>
    finding("incomplete", `missing ${entries.map(describe).join(", ")}`, platform),
  );
}

function describe({ descriptor, parent }: Missing): string {
  return `${descriptor.digest} (${descriptor.mediaType}, of manifest ${shortDigest(parent)})`;
}
