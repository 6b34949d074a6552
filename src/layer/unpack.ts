import { randomUUID } from "node:crypto";
import { chmod, lstat, mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { errnoOf, GantryError } from "../base/error.ts";
import { defaultLimits, type Limits } from "../base/limits.ts";
import type { OperationOptions } from "../base/progress.ts";
import type { Provider } from "../content/source.ts";
import { layerCompression } from "../spec/media-types.ts";
import type { Image, Manifest } from "../spec/types.ts";
import { fileSystemError } from "../sys/fs-error.ts";
import { hasNative, native } from "../sys/native.ts";
import { type RootMetadata, setDirectoryMetadata } from "./apply.ts";
import type { LayerJob } from "./job.ts";
import { type AppliedTree, type ApplyReport, applyInThread, applyInWorkers } from "./pipeline.ts";

export interface UnpackOptions extends OperationOptions {
  readonly limits?: Limits;
  /** 0 does everything in this thread. Default: two workers, none for small images. */
  readonly workers?: 0 | 2;
}

/** Below this, starting workers costs more than they save. Compressed bytes. */
const SMALL_IMAGE = 4 << 20;

/** An image whose layers are to be applied, and the reader that has them. */
export interface ImageSource {
  readonly manifest: Manifest;
  readonly config: Image;
  readonly provider: Provider;
}

/**
 * Makes `rootfs` the file system of an image: every layer verified against its descriptor and its diffID, applied in
 * a directory of our own beside it, and moved into place when all is well. On failure nothing is left.
 * @throws TARGET_NOT_EMPTY unless `rootfs` is absent or an empty directory; DIFF_ID_MISMATCH, DIGEST_MISMATCH,
 * SIZE_MISMATCH, INVALID_LAYER, INVALID_TAR, UNSUPPORTED_COMPRESSION, LIMIT_EXCEEDED, NO_SPACE
 */
export async function unpackImage(
  image: ImageSource,
  rootfs: string,
  options: UnpackOptions = {},
): Promise<ApplyReport> {
  const limits = options.limits ?? defaultLimits;
  const target = resolve(rootfs);
  const jobs = layerJobs(image);
  const place = await examine(target);
  const staging = join(place === "mount" ? target : dirname(target), `.${basename(target)}.gantry-${randomUUID()}`);
  const tree = join(staging, "rootfs");
  try {
    await mkdir(dirname(staging), { recursive: true });
    await mkdir(staging, { mode: 0o700 });
    await mkdir(tree, { mode: 0o700 });
  } catch (error) {
    await rm(staging, { recursive: true, force: true }).catch(() => {});
    throw await fileSystemError(error, "creating", staging);
  }
  try {
    const { root, ...report } = await applyLayers(image.provider, tree, jobs, { ...options, limits });
    options.signal?.throwIfAborted();
    if (place === "mount") await fillMountPoint(tree, staging, target, root);
    else await moveTree(tree, target, root);
    return report;
  } catch (error) {
    throw await fileSystemError(error, "unpacking to", target);
  } finally {
    await removeTree(staging);
  }
}

/** The root gets its mode last: a directory that cannot be written to cannot be moved either, unless by root. */
async function moveTree(tree: string, target: string, root: RootMetadata): Promise<void> {
  await rename(tree, target);
  try {
    setDirectoryMetadata(target, root);
  } catch (error) {
    await removeTree(target);
    throw error;
  }
}

/** Removes a tree of ours. Its directories may have modes by now that keep us out; a failure must not hide another. */
async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(async () => {
    const open = async (directory: string): Promise<void> => {
      await chmod(directory, 0o700);
      for (const entry of await readdir(directory, { withFileTypes: true })) {
        if (entry.isDirectory()) await open(join(directory, entry.name));
      }
    };
    await open(path)
      .then(() => rm(path, { recursive: true, force: true }))
      .catch(() => {});
  });
}

/** Moves the entries of a tree to a mount point, or none: what was moved before a failure goes again. */
async function fillMountPoint(tree: string, staging: string, target: string, root: RootMetadata): Promise<void> {
  const moved: Buffer[] = [];
  try {
    for (const name of await readdir(tree, { encoding: "buffer" })) {
      await rename(under(tree, name), under(target, name));
      moved.push(name);
    }
    // Taking the staging directory away changes the times of the one it is in, which are set last.
    if (hasNative()) copyXattrs(tree, target);
    await removeTree(staging);
    setDirectoryMetadata(target, root);
  } catch (error) {
    for (const name of moved) await rm(join(target, name.toString()), { recursive: true, force: true });
    throw error;
  }
}

/** What the file system of the mount point does not know is left out. */
function copyXattrs(from: string, to: string): void {
  const system = native("");
  for (const name of system.llistxattr(from)) {
    try {
      system.lsetxattr(to, name, system.lgetxattr(from, name) ?? Buffer.alloc(0));
    } catch (error) {
      if (!["ENOTSUP", "EPERM"].includes(errnoOf(error) ?? "")) throw error;
    }
  }
}

const under = (directory: string, name: Buffer): Buffer => Buffer.concat([Buffer.from(`${directory}/`), name]);

/** What stands where the tree is to be. A mount point cannot be replaced, only filled. */
async function examine(target: string): Promise<"absent" | "empty" | "mount"> {
  try {
    const stat = await lstat(target);
    const names = stat.isDirectory() ? await readdir(target) : undefined;
    if (!names || names.some((name) => name !== "lost+found")) {
      throw new GantryError(
        "TARGET_NOT_EMPTY",
        `${target} ${names ? "is not empty" : "is not a directory"}; name a directory that is absent or empty`,
        { details: { path: target } },
      );
    }
    const parent = await lstat(dirname(target));
    if (parent.dev !== stat.dev) return "mount";
    return "empty";
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "absent";
    throw await fileSystemError(error, "looking at", target);
  }
}

/** @throws UNSUPPORTED_COMPRESSION, UNSUPPORTED_MEDIA_TYPE before anything is done */
function layerJobs({ manifest, config }: ImageSource): LayerJob[] {
  return manifest.layers.map((layer, at) => {
    const compression = layerCompression(layer.mediaType);
    if (!compression) {
      throw new GantryError(
        "UNSUPPORTED_MEDIA_TYPE",
        `layer ${layer.digest} is a ${layer.mediaType}, not a filesystem layer`,
      );
    }
    if (compression === "zstd") {
      throw new GantryError(
        "UNSUPPORTED_COMPRESSION",
        `layer ${layer.digest} is compressed with zstd, which is not supported yet; use a gzip variant of the image`,
        { details: { compression } },
      );
    }
    const { digest, size, mediaType } = layer;
    return { descriptor: { digest, size, mediaType }, diffID: config.rootfs.diff_ids[at]!, compression };
  });
}

async function applyLayers(
  provider: Provider,
  tree: string,
  jobs: readonly LayerJob[],
  options: UnpackOptions & { readonly limits: Limits },
): Promise<AppliedTree> {
  const { signal, progress, limits } = options;
  const id = "unpack";
  progress?.({ type: "start", id, label: "unpacking" });
  const pipeline = {
    limits,
    ...(signal && { signal }),
    onBytes: (done: number) => progress?.({ type: "advance", id, done }),
  };
  try {
    const report = await run(provider, tree, jobs, options, pipeline);
    progress?.({ type: "end", id, result: "done" });
    return report;
  } catch (error) {
    progress?.({ type: "end", id, result: "failed" });
    throw error;
  }
}

async function run(
  provider: Provider,
  tree: string,
  jobs: readonly LayerJob[],
  { workers, signal }: UnpackOptions,
  pipeline: Parameters<typeof applyInWorkers>[2],
): Promise<AppliedTree> {
  const total = jobs.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  const call = signal ? { signal } : {};
  if (workers !== 0 && total >= SMALL_IMAGE) {
    const placed = await Promise.all(jobs.map((job) => withFile(provider, job, call)));
    if (placed.every((job) => job.file !== undefined)) return applyInWorkers(tree, placed, pipeline);
  }
  return applyInThread(tree, jobs, (job) => provider.read(job.descriptor, call), pipeline);
}

/** Workers read files themselves: bytes never travel as messages. */
async function withFile(
  provider: Provider,
  job: LayerJob,
  options: { readonly signal?: AbortSignal },
): Promise<LayerJob> {
  await using content = await provider.read(job.descriptor, options);
  return content.file === undefined ? job : { ...job, file: content.file };
}
