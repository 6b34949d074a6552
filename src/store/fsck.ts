import { isGantryError } from "../base/error.ts";
import type { OperationOptions } from "../base/progress.ts";
import { type Digest, isDigest, shortDigest } from "../spec/digest.ts";
import { inventory } from "./directory.ts";
import type { Collectable } from "./gc/collectable.ts";
import { type Missing, PresenceScan } from "./presence.ts";
import type { NamespacedImage } from "./sql/image-rows.ts";
import { restoreTrash } from "./trash.ts";
import { unnamedManifests } from "./unnamed.ts";

export interface FsckOptions extends OperationOptions {
  /** Also repair what needs no registry: restore names from index.json, and remove damaged blobs. */
  readonly rebuild?: boolean | undefined;
}

/** A fault of a store. */
export interface Finding {
  readonly kind: "damaged" | "incomplete" | "absent" | "stray" | "database" | "unnamed";
  readonly message: string;
  /** The command that repairs it, quoted for a shell. */
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
  /** The repairs that were made. */
  readonly repaired: readonly string[];
}

interface CheckOptions extends FsckOptions {
  /** The names were lost, so images may be without a name. */
  readonly namesLost?: boolean | undefined;
}

/** What a check needs of a store. */
export interface Checkable extends Collectable {
  /** Whether other hosts share the names, so that images may be absent here. */
  readonly shared: boolean;
  /** The faults that the database finds in itself. */
  checkDatabase(): Promise<readonly string[]>;
  /** Brings index.json up to date. @returns false where it already was */
  exportAll(): Promise<boolean>;
}

/**
 * Hashes every blob and follows every image. Finishes the work of killed processes: restores the blobs that a
 * collection put aside, and brings index.json up to date. With `rebuild` it removes damaged blobs, so that a pull
 * fetches them again.
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

/** Checks the database. @returns its names; none where it cannot be used, which becomes a finding */
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
    if (await store.exportAll()) repaired.push("index.json did not show the latest names; it was written again");
    return (await store.snapshot()).images;
  } catch (error) {
    if (!isGantryError(error, "STORE_INVALID")) throw error;
    findings.push({ kind: "database", message: error.message, repair });
    return [];
  }
}

/** The images that have no name any more, each with the command that names it. */
function nameless(store: Checkable, sound: ReadonlySet<string>, images: readonly NamespacedImage[]): Finding[] {
  const named = new Set(images.map(({ target }) => target.digest));
  return unnamedManifests(store.blobs, sound, named, store.limits).map((digest) => ({
    kind: "unnamed",
    digest,
    message: `manifest ${digest} has no name, so the next collection removes it and its blobs; pull the image again, or give it a name`,
    repair: store.advice.command(["tag", `store:localhost/recovered@${digest}`, shortDigest(digest).slice(-12)]),
  }));
}

/** Compares every blob with its digest. */
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
        message: `blobs/${digest.replace(":", "/")} has a name that is not a digest, so it is not used`,
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
      const message = `${fault}; after its removal a pull fetches it again`;
      findings.push(
        options.rebuild ? { kind: "damaged", digest, message: fault } : { kind: "damaged", digest, message, repair },
      );
    }
  }
  options.progress?.({ type: "end", id: "fsck", result: "done" });
  return { sound, damaged, bytes };
}

/** @returns the fault of a blob, `gone` where it is missing, undefined where it is sound */
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
    // A collection at the same time may have removed it.
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
    // Another name of the same image may say which registry has it.
    for (const { name: source, namespace, target: other } of [image, ...images]) {
      const pull = other.digest === target.digest ? advice.pull(source, { ...call, namespace }) : undefined;
      if (pull) return { kind, image: name, message, repair: pull };
    }
    const repair = advice.command(["images", "rm", name], image.namespace);
    return {
      kind,
      image: name,
      message: `${message}; its name does not say which registry has it: pull it from its registry again, or remove the name`,
      repair,
    };
  };
  if (state === "absent") return shared ? [] : [finding("absent", "its manifest is missing")];
  if (missing.length === 0) {
    return state === "complete" || platforms.length > 0 ? [] : [finding("incomplete", "no platform of it is complete")];
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
