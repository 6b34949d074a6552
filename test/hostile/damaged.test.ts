import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pushImage, randomImage, startTestRegistry, type TestImage } from "../../src/testing/index.ts";
import { gantry } from "../support/peers.ts";
import { temporary } from "../support/temporary.ts";

const file = (directory: string, digest: string): string => join(directory, "blobs/sha256", digest.slice(7));

/** Overwrites a blob with other bytes of the same size. */
function damage(directory: string, digest: string): void {
  const path = file(directory, digest);
  writeFileSync(path, Buffer.alloc(statSync(path).size, 7));
}

test("M11 wrong bytes of the right size that a layout or store holds are reported and brought anew", async () => {
  const work = await temporary();
  const server = await startTestRegistry();
  const image: TestImage = randomImage();
  await pushImage(server.registry, "app", image, "v1");
  const everything = [...image.blobs, ...image.documents];
  const layout = join(work, "layout");
  const store = join(work, "store");
  const ways = [
    [layout, ["cp", `${server.host}/app:v1`, `oci:${layout}:v1`]],
    [store, ["pull", "--store", store, `${server.host}/app:v1`]],
  ] as const;
  for (const [directory, args] of ways) {
    expect(await gantry(args)).toMatchObject({ code: 0 });
    for (const { descriptor } of everything) {
      damage(directory, descriptor.digest);
      const ran = await gantry([...args, "--progress", "plain"]);
      expect([descriptor.mediaType, ran.code]).toEqual([descriptor.mediaType, 0]);
      expect(ran.stderr).toContain(`the blob ${descriptor.digest} in `);
      for (const blob of everything) {
        expect(readFileSync(file(directory, blob.descriptor.digest)).equals(blob.bytes)).toBe(true);
      }
    }
    // What is sound is not brought again.
    const before = server.requests.length;
    expect(await gantry(args)).toMatchObject({ code: 0 });
    expect(server.requests.slice(before).filter(({ path }) => /\/blobs\//.test(path))).toEqual([]);
    expect(readdirSync(join(directory, "blobs/sha256")).length).toBe(everything.length);
  }
  await server.close();
});
