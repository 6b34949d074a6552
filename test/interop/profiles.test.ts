import { describe, expect, test } from "vitest";
import { bytesSource } from "../../src/content/index.ts";
import { parseRepoName, parseTag } from "../../src/reference/index.ts";
import { RemoteRegistry } from "../../src/registry/index.ts";
import { digestOf } from "../../src/spec/index.ts";
import {
  type ProfiledRegistry,
  pushImage,
  type RegistryProfile,
  randomImage,
  registryProfiles,
  rejects,
  seededBytes,
  startProfile,
  testBlob,
} from "../../src/testing/index.ts";

async function listed<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function withProfile(
  profile: RegistryProfile,
  work: (remote: RemoteRegistry, server: ProfiledRegistry, repo: ReturnType<typeof parseRepoName>) => Promise<void>,
): Promise<void> {
  await using server = await startProfile(profile);
  const remote = new RemoteRegistry(profile.host, server.options);
  try {
    await work(remote, server, parseRepoName(`${profile.prefix ?? ""}app`));
    // Whatever was asked of whom: a password is for the registry and its token server.
    const { credential, behaviour } = profile;
    const may = new Set([profile.apiHost ?? profile.host, behaviour.bearer && new URL(behaviour.bearer.realm).host]);
    for (const { url, headers } of server.requests) {
      if (!may.has(url.host)) expect([url.href, headers.authorization]).toEqual([url.href, undefined]);
      if (!credential) expect(headers.authorization ?? "").not.toMatch(/^Basic/);
    }
  } finally {
    await remote.close();
  }
}

describe("registries of the field, each by its own name", () => {
  test.each(registryProfiles.map((profile) => [profile.name, profile] as const))(
    "%s: an image goes there and comes back",
    async (_name, profile) => {
      await withProfile(profile, async (remote, server, repo) => {
        const image = randomImage({ sizes: [40_000, 10] });
        const pushed = await pushImage(remote, repo, image, "v1");
        expect((await remote.resolveManifest(repo, parseTag("v1"))).digest).toBe(pushed.digest);
        expect((await remote.getManifest(repo, parseTag("v1"))).descriptor.digest).toBe(pushed.digest);
        for (const { descriptor, bytes } of image.blobs) {
          const content = await remote.getBlob(repo, descriptor);
          expect((await content.bytes()).equals(bytes)).toBe(true);
          expect((await remote.resolveBlob(repo, descriptor.digest)).size).toBe(bytes.length);
        }
        expect((await server.registry.resolveManifest(repo, parseTag("v1"))).digest).toBe(pushed.digest);
        for (const tag of ["v2", "v3", "v4", "v5"]) await pushImage(remote, repo, image, tag);
        expect(await listed(remote.tags(repo))).toEqual(["v1", "v2", "v3", "v4", "v5"]);
        expect(await listed(remote.referrers(repo, pushed.digest))).toEqual([]);
        await rejects(remote.getManifest(repo, digestOf("absent")), "MANIFEST_UNKNOWN");
        const deleting = remote.deleteTag(repo, parseTag("v5"));
        if (profile.behaviour.deleteTag) await rejects(deleting, "UNSUPPORTED");
        else expect(await deleting).toBeUndefined();
        await remote.deleteManifest(repo, pushed.digest);
        await rejects(remote.resolveManifest(repo, parseTag("v1")), "MANIFEST_UNKNOWN");
      });
    },
  );

  test.each(registryProfiles.map((profile) => [profile.name, profile] as const))(
    "%s: a blob of 40 MB, in whatever pieces it takes",
    async (_name, profile) => {
      await withProfile(profile, async (remote, server, repo) => {
        const { descriptor, bytes } = testBlob(seededBytes(40_000_000, 9));
        await remote.pushBlob(repo, descriptor, bytesSource(descriptor, bytes));
        const content = await server.registry.getBlob(repo, descriptor);
        expect((await content.bytes({ limit: 50_000_000 })).equals(bytes)).toBe(true);
        const { maxPatch } = profile.behaviour;
        if (maxPatch) {
          const accepted = server.requests.filter(
            ({ method, headers }) => method === "PATCH" && Number(headers["content-length"]) <= maxPatch.bytes,
          );
          expect(accepted.length).toBe(Math.ceil(bytes.length / maxPatch.bytes));
        }
      });
    },
  );

  test.each(registryProfiles.map((profile) => [profile.name, profile] as const))(
    "%s: every fact says where it was seen",
    (_name, { facts }) => {
      expect(facts.length).toBeGreaterThan(0);
      for (const { fact, source } of facts) expect([fact, source.length > 5]).toEqual([fact, true]);
    },
  );

  const profile = (name: string): RegistryProfile => registryProfiles.find((each) => each.name === name)!;

  test("Docker Hub: the quota is asked by HEAD, and a tag is resolved without a GET", async () => {
    await withProfile(profile("Docker Hub"), async (remote, server, repo) => {
      await pushImage(server.registry, repo, randomImage(), "latest");
      expect(await remote.rateLimit(repo, parseTag("latest"))).toEqual({
        limit: 100,
        remaining: 76,
        window: 21_600,
        source: "192.0.2.1",
      });
      await remote.resolveManifest(repo, parseTag("latest"));
      const manifests = server.requests.filter(({ url }) => url.pathname.includes("/manifests/"));
      expect(new Set(manifests.map(({ method }) => method))).toEqual(new Set(["HEAD"]));
      expect(server.requests.filter(({ url }) => url.host === "auth.docker.io").length).toBe(1);
    });
  });

  test("ECR: a repository that nobody made is said to be absent", async () => {
    await withProfile(profile("Amazon ECR"), async (remote) => {
      const { descriptor, bytes } = testBlob("x");
      const pushing = remote.pushBlob(parseRepoName("absent/app"), descriptor, bytesSource(descriptor, bytes));
      await rejects(pushing, "NAME_UNKNOWN");
      await expect(pushing).rejects.toThrow("does not exist in the registry");
    });
  });

  test.each(["Docker Hub", "GitHub (ghcr.io)", "GitLab"])(
    "%s: what may not be seen is refused, and not said to be absent",
    async (name) => {
      await withProfile(profile(name), async (remote) => {
        await rejects(remote.getManifest(parseRepoName("owner/secret"), parseTag("v1")), "UNAUTHORIZED");
      });
    },
  );

  test("ghcr.io: referrers are looked for under the fallback tag, and nobody asks github.com", async () => {
    await withProfile(profile("GitHub (ghcr.io)"), async (remote, server, repo) => {
      const subject = await pushImage(server.registry, repo, randomImage({ seed: 1 }), "v1");
      const referrer = {
        ...(await pushImage(server.registry, repo, randomImage({ seed: 2 }))),
        artifactType: "application/x",
      };
      const index = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: "application/vnd.oci.image.index.v1+json",
          manifests: [referrer],
        }),
      );
      await server.registry.pushManifest(repo, index, "application/vnd.oci.image.index.v1+json", {
        tags: [parseTag(subject.digest.replace(":", "-"))],
      });
      expect(await listed(remote.referrers(repo, subject.digest))).toEqual([referrer]);
      expect(server.requests.map(({ url }) => url.host)).not.toContain("github.com");
    });
  });
});
