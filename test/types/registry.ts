// Registries: clients, registries of one's own, and servers in front of both.
import { createServer, type Server } from "node:http";
import { type CredentialSource, type RouteSource, userCredentials, userHosts } from "gantry/config";
import { bytesSource, type Content, type Expected } from "gantry/content";
import { parseRef, parseRepoName, parseTag, type RepoName, type Tag } from "gantry/reference";
import {
  type CallOptions,
  type ClientOptions,
  client,
  completeRegistry,
  connect,
  LayoutRegistry,
  MemoryRegistry,
  manifestUnknown,
  providerOf,
  type Registry,
  type RegistryParts,
  RemoteRegistry,
  registryCache,
  remote,
  type StoredManifest,
  userUploads,
} from "gantry/registry";
import { listen, registryHandler, type ServeOptions, type Service, serve } from "gantry/server";
import { type Descriptor, type Digest, digestOf, parseDigest } from "gantry/spec";
import { copyImage, type ImageDestination, type ImageSource, lookup } from "gantry/transfer";

export interface Settings {
  credentials?: CredentialSource | undefined;
  routes?: RouteSource | undefined;
  proxy?: string | undefined;
  headers?: Record<string, string> | undefined;
  signal?: AbortSignal | undefined;
}

export function clients(host: string, { credentials, routes, headers }: Settings): readonly Registry[] {
  const options: ClientOptions = {
    credentials: credentials ?? userCredentials(),
    routes: routes ?? userHosts(),
    uploads: userUploads(),
    headers,
  };
  return [client(host, options), remote(host, { credentials }), connect(host, { routes }), new RemoteRegistry(host)];
}

/** A registry with one manifest, which nobody can write to. */
export function one(bytes: Buffer, mediaType: string): Registry {
  const descriptor: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  const parts: RegistryParts = {
    name: "one",
    async getManifest(repo: RepoName, reference: Tag | Digest, _options?: CallOptions): Promise<StoredManifest> {
      if (reference !== descriptor.digest) throw manifestUnknown("one", repo, reference);
      return { descriptor, bytes };
    },
    async resolveManifest() {
      return descriptor;
    },
    pushBlob: undefined,
  };
  return completeRegistry(parts);
}

/** A registry that is read with two methods. */
export function two(registry: Registry): Promise<Service> {
  const own = {
    name: "two",
    getManifest: (repo: RepoName, reference: Tag | Digest) => registry.getManifest(repo, reference),
    getBlob: (repo: RepoName, blob: Digest | Expected) => registry.getBlob(repo, blob),
    getBlobRange: undefined,
  };
  completeRegistry(own);
  return serve(own);
}

export async function served(host: string | undefined, port: number | undefined): Promise<Server> {
  const options: ServeOptions = { host, port, allowHosts: undefined, allowDelete: undefined };
  const service: Service = await serve(one(Buffer.from("{}"), "application/json"), options);
  await service.close();
  const other = await serve(registryCache(new MemoryRegistry()), { host, port });
  await listen(service.server, { host, port });
  createServer(registryHandler(new LayoutRegistry("layout", { create: true }), { onError: undefined }));
  return other.server;
}

export async function work(registry: Registry, { signal }: Settings): Promise<Content> {
  const { repository } = parseRef("ghcr.io/o/r:1");
  const repo: RepoName = parseRepoName("team/app");
  const tag: Tag = parseTag("v1");
  // @ts-expect-error: a text is no repository before it is parsed.
  await registry.getManifest("team/app", tag);
  // @ts-expect-error: nor is it a digest.
  await registry.getBlob(repo, "sha256:0");
  const bytes = Buffer.from("x");
  const descriptor: Descriptor = { mediaType: "application/octet-stream", digest: digestOf(bytes), size: 1 };
  await registry.pushBlob(repo, descriptor, bytesSource(descriptor, bytes), { signal, mountFrom: repository });
  await registry.pushManifest(repo, bytes, "application/json", { tags: [tag], digest: undefined });
  const found = await lookup(registry, parseRef("app:v1"), { head: true, signal });
  const source: ImageSource = { registry, repo, reference: tag, name: "app:v1" };
  const destination: ImageDestination = { ...source, registry: new MemoryRegistry(), reference: undefined };
  await copyImage(source, destination, { signal, platforms: undefined });
  await providerOf(registry, repo).read(found?.descriptor ?? descriptor, { signal });
  return registry.getBlob(repo, parseDigest(descriptor.digest), { signal });
}
