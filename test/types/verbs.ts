// The verbs, as a program calls them: options that it may or may not have are passed on as they are.
import {
  blob,
  catalog,
  config,
  copy,
  type ErrorCode,
  type ExitCode,
  exitCodeOf,
  explain,
  GantryError,
  type Inspection,
  inspect,
  isGantryError,
  type Limits,
  type ListedImage,
  type LookOptions,
  labelImage,
  listImages,
  login,
  logout,
  manifest,
  open,
  openServed,
  type Progress,
  type ProgressEvent,
  type PullOptions,
  type PullResult,
  pull,
  push,
  rateLimit,
  referrers,
  remove,
  removeImages,
  resolve,
  Store,
  sortNames,
  tag,
  tags,
  type UnpackResult,
  type UnpackVerbOptions,
  unpack,
  type VerbOptions,
  version,
} from "gantry";
import type { CredentialSource } from "gantry/config";
import type { Descriptor, Platform } from "gantry/spec";

export interface Settings {
  signal?: AbortSignal;
  progress?: Progress | undefined;
  limits?: Limits | undefined;
  insecure?: boolean | undefined;
  credentials?: CredentialSource | undefined;
  directory?: string | undefined;
  platform?: Platform | undefined;
}

export function options(settings: Settings): VerbOptions {
  const { signal, progress, limits, insecure, credentials, directory } = settings;
  return { signal, progress, limits, store: directory, registry: { insecure, credentials } };
}

export async function verbs(settings: Settings): Promise<void> {
  const call: VerbOptions = options(settings);
  const look: LookOptions = { ...call, platform: settings.platform };
  const platforms = settings.platform ? [settings.platform] : undefined;
  const pulling: PullOptions = { ...call, platforms, parallel: undefined };
  const pulled: PullResult = await pull("alpine:3.20", pulling);
  const name: string = pulled.name;
  const descriptor: Descriptor = pulled.descriptor;
  await push(name, undefined, call);
  await copy(name, "oci:copy:latest", { ...call, source: { registry: { insecure: settings.insecure } } });
  const unpacking: UnpackVerbOptions = { ...look, policy: "IfNotPresent", strict: undefined, workers: undefined };
  const unpacked: UnpackResult = await unpack(name, "rootfs", unpacking);
  const counted: number = unpacked.entries + unpacked.warnings.length;
  const found: Descriptor = await resolve(name, look);
  const { bytes } = await manifest(name, look);
  await config(name, look);
  const inspection: Inspection = await inspect(name, look);
  await blob(`${name}@${descriptor.digest}`, (chunk: Uint8Array) => void chunk.length, call);
  for await (const word of tags(name, call)) await tag(name, [word], call);
  for await (const repository of catalog("ghcr.io", call)) repository.toLowerCase();
  for await (const referrer of referrers(name, { ...call, artifactType: undefined })) referrer.digest.slice(0);
  await remove(name, call);
  await rateLimit(name, call);
  await explain(name, call);
  await login("ghcr.io", { ...call, username: "me", password: "secret" });
  await logout("ghcr.io");
  const sorted: readonly string[] = await sortNames([version], "semver");
  const opened = open(name, call);
  await opened.registry.getManifest(opened.repo, found.digest);
  await opened.close();
  const served = await openServed("memory:", call);
  await served.registry.close();
  console.log(counted, bytes.length, inspection, sorted);
}

export async function names(directory: string | undefined): Promise<readonly ListedImage[]> {
  const store = new Store(directory);
  await labelImage(store, "backup", ["team=core"]);
  await removeImages(store, ["backup"]);
  return listImages(store, ["labels.team==core"]);
}

export function errors(error: unknown): ExitCode {
  if (isGantryError(error, "MANIFEST_UNKNOWN", "NAME_UNKNOWN")) {
    const code: "MANIFEST_UNKNOWN" | "NAME_UNKNOWN" = error.code;
    // @ts-expect-error: only these two are left.
    const other: "UNAUTHORIZED" = error.code;
    console.log(code, other);
  }
  if (isGantryError(error)) {
    const code: ErrorCode = error.code;
    console.log(code, error.details["digest"], error.origin);
  }
  // @ts-expect-error: no such code.
  isGantryError(error, "NO_SUCH_CODE");
  // @ts-expect-error: no such code.
  new GantryError("NO_SUCH_CODE", "");
  return exitCodeOf(error);
}

export function show(event: ProgressEvent): string {
  switch (event.type) {
    case "start":
      return `${event.label} ${event.total ?? "?"}`;
    case "advance":
      return `${event.id} ${event.done}`;
    case "end":
      return event.result;
    case "message":
      return event.text;
  }
}
