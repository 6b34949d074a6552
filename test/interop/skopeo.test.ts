import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { LayoutRegistry, MemoryRegistry } from "../../src/registry/index.ts";
import { serve } from "../../src/server/index.ts";
import { Store } from "../../src/store/index.ts";
import { pushImage, randomImage, testIndex } from "../../src/testing/index.ts";
import { answers, freePort, gantry, main, missing, peer, readIndex, skopeo } from "../support/peers.ts";
import { temporary } from "../support/temporary.ts";

const reason = missing({ programs: ["skopeo", "umoci"] });
const image = testIndex([
  randomImage({ sizes: [400_000, 1_000], seed: 3 }),
  randomImage({ sizes: [2_000], seed: 8, platform: { os: "linux", architecture: "arm64" } }),
]);
const { digest } = image.descriptor;

/** A layout that our own code filled. */
async function layoutOf(directory: string): Promise<string> {
  const registry = new LayoutRegistry(directory, { create: true });
  await pushImage(registry, registry.defaultRepository, image, "v1");
  await registry.close();
  return directory;
}

describe.skipIf(reason)(`skopeo and umoci${reason ? ` (${reason})` : ""}`, () => {
  test("copy an index into and out of our server, digests unchanged", async () => {
    const work = await temporary();
    const source = await layoutOf(join(work, "source"));
    const service = await serve(new MemoryRegistry());
    onTestFinished(() => service.close());
    await skopeo(
      "copy",
      "-q",
      "--all",
      "--dest-tls-verify=false",
      `oci:${source}:v1`,
      `docker://${service.host}/team/app:v1`,
    );
    await skopeo(
      "copy",
      "-q",
      "--all",
      "--src-tls-verify=false",
      `docker://${service.host}/team/app:v1`,
      `oci:${work}/back:v1`,
    );
    expect(readIndex(join(work, "back")).manifests[0]?.digest).toBe(digest);
    const told = JSON.parse(await skopeo("inspect", "--tls-verify=false", `docker://${service.host}/team/app:v1`));
    expect(told).toMatchObject({ Digest: digest, RepoTags: ["v1"] });
    expect((await gantry(["digest", `${service.host}/team/app:v1`])).stdout.trim()).toBe(digest);
  });

  test("push to and pull from `gantry serve` over a layout with many repositories", async () => {
    const work = await temporary();
    const source = await layoutOf(join(work, "source"));
    const host = `127.0.0.1:${await freePort()}`;
    const server = spawn(process.execPath, [main, "serve", `oci:${work}/served`, "--listen", host, "--allow-delete"]);
    onTestFinished(() => void server.kill("SIGKILL"));
    await answers(host);
    for (const repo of ["team/one", "two"]) {
      await skopeo("copy", "-q", "--all", "--dest-tls-verify=false", `oci:${source}:v1`, `docker://${host}/${repo}:v1`);
    }
    await skopeo("copy", "-q", "--all", "--src-tls-verify=false", `docker://${host}/two:v1`, `oci:${work}/back:v1`);
    expect(readIndex(join(work, "back")).manifests[0]?.digest).toBe(digest);
    expect((await gantry(["ls", `${host}/team/one`])).stdout).toBe("v1\n");
    expect((await gantry(["digest", `oci:${work}/served:team/one:v1`])).stdout.trim()).toBe(digest);
    await skopeo("delete", "--tls-verify=false", `docker://${host}/two:v1`);
    expect((await gantry(["digest", `${host}/two:v1`])).code).toBe(3);
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    expect(await ended).toBe(143);
  });

  test("read a layout that we wrote, and we one that they wrote", async () => {
    const work = await temporary();
    const ours = await layoutOf(join(work, "ours"));
    expect(JSON.parse(await skopeo("inspect", "--raw", `oci:${ours}:v1`)).manifests).toHaveLength(2);
    await skopeo("copy", "-q", "--all", `oci:${ours}:v1`, `oci:${work}/theirs:other`);
    expect((await gantry(["digest", `oci:${work}/theirs:other`])).stdout.trim()).toBe(digest);
    const back = await gantry(["cp", "--progress", "none", `oci:${work}/theirs:other`, `oci:${work}/again:v2`]);
    expect(back.stdout.trim()).toBe(digest);
    await skopeo("copy", "-q", "--all", `oci:${work}/again:v2`, `oci:${work}/final:v3`);
    expect(readIndex(join(work, "final")).manifests[0]?.digest).toBe(digest);
    const one = await gantry([
      "cp",
      "--progress",
      "none",
      "--platform",
      "linux/amd64",
      `oci:${ours}`,
      `oci:${work}/one:v1`,
    ]);
    expect(one).toMatchObject({ code: 0 });
    expect(await peer("umoci", ["ls", "--layout", `${work}/one`])).toBe("v1\n");
    expect(await peer("umoci", ["stat", "--image", `${work}/one:v1`])).toContain("LAYER");
  });

  test("read a store that we pulled into", async () => {
    const work = await temporary();
    const service = await serve(new MemoryRegistry());
    onTestFinished(() => service.close());
    await skopeo(
      "copy",
      "-q",
      "--all",
      "--dest-tls-verify=false",
      `oci:${await layoutOf(join(work, "s"))}:v1`,
      `docker://${service.host}/app:v1`,
    );
    const store = join(work, "store");
    const pulled = await gantry([
      "pull",
      "--platform",
      "all",
      "--progress",
      "none",
      "--store",
      store,
      `${service.host}/app:v1`,
    ]);
    expect(pulled).toMatchObject({ code: 0, stdout: `${digest}\n` });
    await skopeo("copy", "-q", "--all", `oci:${store}:${service.host}/app:v1`, `oci:${work}/out:v1`);
    expect(readIndex(join(work, "out")).manifests[0]?.digest).toBe(digest);
    const pushed = await gantry([
      "push",
      "--progress",
      "none",
      "--store",
      store,
      `${service.host}/app:v1`,
      `${service.host}/other:v9`,
    ]);
    expect(pulled.code + pushed.code).toBe(0);
    expect(JSON.parse(await skopeo("inspect", "--tls-verify=false", `docker://${service.host}/other:v9`)).Digest).toBe(
      digest,
    );
  });

  test("push to and pull from a served store, whose names are the full ones", async () => {
    const work = await temporary();
    const source = await layoutOf(join(work, "source"));
    const store = new Store(join(work, "store"));
    const service = await serve(store.registry);
    onTestFinished(() => service.close());
    await skopeo(
      "copy",
      "-q",
      "--all",
      "--dest-tls-verify=false",
      `oci:${source}:v1`,
      `docker://${service.host}/app:v1`,
    );
    await skopeo(
      "copy",
      "-q",
      "--all",
      "--src-tls-verify=false",
      `docker://${service.host}/app:v1`,
      `oci:${work}/back:v1`,
    );
    expect(readIndex(join(work, "back")).manifests[0]?.digest).toBe(digest);
    expect((await gantry(["ls", `${service.host}/app`])).stdout).toBe("v1\n");
    expect((await gantry(["digest", "--store", store.directory, "store:app:v1"])).stdout.trim()).toBe(digest);
    await store.close();
  });
});
