import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { RemoteRegistry } from "../../src/registry/index.ts";
import { mediaTypes } from "../../src/spec/index.ts";
import { Store } from "../../src/store/index.ts";
import { pushImage, randomImage, startTestRegistry, testBlob, testImage } from "../../src/testing/index.ts";
import { dockerRegistry, gantry, main, missing, skopeo } from "../support/peers.ts";
import { temporary } from "../support/temporary.ts";

const reason = missing({ programs: ["docker-registry", "skopeo"] });

/** The raw output of a command, which may be no text. */
function raw(...args: string[]): Promise<{ code: number; bytes: Buffer }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "ignore"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("close", (code) => resolve({ code: code ?? 1, bytes: Buffer.concat(chunks) }));
  });
}

/** What these commands do, of a registry at `host` that has `team/app:v1`. */
async function walkThrough(host: string, options: { readonly deletesTags: boolean }): Promise<void> {
  const image = randomImage({ sizes: [3_000_000] });
  const registry = new RemoteRegistry(host);
  const { digest } = await pushImage(registry, "team/app", image, "v1");
  const name = `${host}/team/app`;
  expect(await gantry(["tag", `${name}:v1`, "v2", "v3"])).toMatchObject({ code: 0, stdout: `${digest}\n`, stderr: "" });
  // In the registry's own order: docker-registry's is that of its directory.
  expect((await gantry(["ls", name])).stdout.trim().split("\n").sort()).toEqual(["v1", "v2", "v3"]);
  expect(JSON.parse((await gantry(["catalog", "--json", host])).stdout)).toContain("team/app");
  const inspected = JSON.parse(await skopeo("inspect", "--tls-verify=false", `docker://${name}:v3`));
  expect(inspected.Digest).toBe(digest);
  for (const { descriptor, bytes } of image.blobs) {
    const got = await raw("blob", `${name}@${descriptor.digest}`);
    expect([got.code, got.bytes.equals(bytes)]).toEqual([0, true]);
  }
  expect((await raw("blob", `${name}@sha256:${"0".repeat(64)}`)).code).toBe(3);
  expect((await gantry(["blob", `${name}:v1`])).code).toBe(2);
  expect((await gantry(["tag", `${name}:nothing`, "x"])).code).toBe(3);
  expect((await gantry(["tag", `${name}:v1`, "bad/tag"])).code).toBe(2);
  const removed = await gantry(["rm", `${name}:v3`]);
  if (options.deletesTags) {
    expect(removed).toMatchObject({ code: 0, stdout: `${name}:v3\n` });
    expect((await gantry(["ls", name])).stdout).toBe("v1\nv2\n");
    expect((await gantry(["digest", `${name}:v1`])).stdout).toBe(`${digest}\n`);
  } else {
    expect([removed.code, removed.stderr]).toEqual([1, expect.stringContaining("does not allow deleting tags")]);
  }
  expect(await gantry(["rm", "--json", `${name}@${digest}`])).toMatchObject({ code: 0 });
  expect((await gantry(["digest", `${name}:v1`])).code).toBe(3);
  expect((await gantry(["rm", `${name}@${digest}`])).code).toBe(3);
  expect((await gantry(["rm", name])).code).toBe(2);
  expect((await gantry(["rm", `${name}:v1@${digest}`])).code).toBe(2);
  await registry.close();
}

test.skipIf(reason)(`names and blobs of Debian's docker-registry${reason ? `: ${reason}` : ""}`, async () => {
  await walkThrough(await dockerRegistry(join(await temporary(), "registry")), { deletesTags: false });
});

test.skipIf(reason)(`names and blobs of our own server${reason ? `: ${reason}` : ""}`, async () => {
  await using server = await startTestRegistry();
  await walkThrough(server.host, { deletesTags: true });
});

describe("what refers to an image", () => {
  test.skipIf(reason)(
    `is read from the tag that stands for it where a registry has no such list${reason ? `: ${reason}` : ""}`,
    async () => {
      const host = await dockerRegistry(join(await temporary(), "registry"));
      const registry = new RemoteRegistry(host);
      const subject = await pushImage(registry, "app", randomImage(), "v1");
      expect((await gantry(["referrers", `${host}/app:v1`])).stdout).toBe("");
      const signature = await pushImage(registry, "app", randomImage({ seed: 7 }));
      const { mediaType, digest, size } = signature;
      const entry = { mediaType, digest, size, artifactType: "application/vnd.example.signature" };
      const list = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [entry] };
      const document = testBlob(JSON.stringify(list), mediaTypes.index);
      const tag = subject.digest.replace(":", "-");
      await pushImage(registry, "app", { blobs: [], documents: [document], descriptor: document.descriptor }, tag);
      const found = JSON.parse((await gantry(["referrers", "--json", `${host}/app:v1`])).stdout);
      expect(found).toMatchObject([entry]);
      expect((await gantry(["referrers", "--artifact-type", "application/x", `${host}/app:v1`])).stdout).toBe("");
      await registry.close();
    },
  );

  test("is listed, all of it or one type; of a server and of a layout", async () => {
    await using server = await startTestRegistry();
    const subject = await pushImage(server.registry, "app", randomImage(), "v1");
    const empty = testBlob("{}", mediaTypes.emptyJson);
    const digests: string[] = [];
    for (const artifactType of ["application/vnd.example.sbom", "application/vnd.example.signature"]) {
      const document = {
        schemaVersion: 2,
        mediaType: mediaTypes.manifest,
        artifactType,
        config: empty.descriptor,
        layers: [],
        subject,
      };
      const manifest = testBlob(JSON.stringify(document), mediaTypes.manifest);
      await pushImage(server.registry, "app", {
        blobs: [empty],
        documents: [manifest],
        descriptor: manifest.descriptor,
      });
      digests.push(manifest.descriptor.digest);
    }
    const list = async (...args: string[]): Promise<string[]> =>
      JSON.parse((await gantry(["referrers", "--json", ...args])).stdout).map((it: { digest: string }) => it.digest);
    expect((await list(`${server.host}/app:v1`)).sort()).toEqual([...digests].sort());
    expect(await list("--artifact-type", "application/vnd.example.sbom", `${server.host}/app:v1`)).toEqual([
      digests[0],
    ]);
    expect((await gantry(["referrers", `${server.host}/app@${subject.digest}`])).stdout).toContain(
      "application/vnd.example.signature",
    );
    expect(await list(`${server.host}/app@${digests[0]}`)).toEqual([]);
  });
});

test("the same commands work on the store and on layouts, and make nothing that was not there", async () => {
  const work = await temporary();
  const store = new Store(join(work, "store"));
  const image = testImage([]);
  const { digest } = await pushImage(store.registry, "reg.example.org/app", image, "v1");
  await store.close();
  const run = (...args: string[]) => gantry([...args, "--store", join(work, "store")]);
  expect(await run("tag", "store:reg.example.org/app:v1", "v2")).toMatchObject({ code: 0, stdout: `${digest}\n` });
  expect((await run("catalog", "store:")).stdout).toBe("reg.example.org/app\n");
  expect((await run("ls", "store:reg.example.org/app")).stdout).toBe("v1\nv2\n");
  expect((await run("rm", "store:reg.example.org/app:v1")).code).toBe(0);
  expect((await run("ls", "store:reg.example.org/app")).stdout).toBe("v2\n");
  const layout = join(work, "layout");
  expect((await gantry(["tag", `oci:${layout}:v1`, "v2"])).code).toBe(3);
  expect(existsSync(layout)).toBe(false);
  await run("cp", "--progress", "none", "store:reg.example.org/app:v2", `oci:${layout}:v1`);
  expect((await gantry(["tag", `oci:${layout}:v1`, "v2"])).code).toBe(0);
  expect((await gantry(["ls", `oci:${layout}`])).stdout).toBe("v1\nv2\n");
  const sha = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
  const { blobs } = image;
  const got = await raw("blob", `oci:${layout}@${blobs[0]!.descriptor.digest}`);
  expect(sha(got.bytes)).toBe(blobs[0]!.descriptor.digest.slice(7));
  expect((await gantry(["rm", `oci:${layout}:v1`])).code).toBe(0);
  expect((await gantry(["ls", `oci:${layout}`])).stdout).toBe("v2\n");
});
