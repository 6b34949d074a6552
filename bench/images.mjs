// Makes the images of the benchmark, as layouts, of this checkout's packages and of seeded bytes.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "../scripts/setup.mjs";

const directory = (name) => ({ name, type: "directory", mode: 0o755, mtime: 1_735_689_600 });

/** The layers of each image. A layer is a function that makes entries with `large` and `packages` of makeImages. */
const contents = {
  /** One file of 1 MB. */
  tiny: [({ large }) => large("bin/tool", 1)],
  /** One layer with as many entries as a Debian base image has. */
  debian: [({ packages }) => packages("usr/lib", 7_000)],
  /** About 60,000 entries in 3 layers. */
  "node-app": ["a", "b", "c"].map(
    (name) =>
      ({ packages }) =>
        packages(name, 20_000),
  ),
  /** A few large files in 2 layers, 460 MB. */
  fat: ["a", "b"].map(
    (name) =>
      function* fat({ large }) {
        yield* large(`${name}-1`, 115);
        yield* large(`${name}-2`, 115);
      },
  ),
};

export const imageNames = Object.keys(contents);

/** Makes the images that a directory lacks. */
export async function makeImages(images) {
  const { open } = await import("../dist/verbs/index.js");
  const { seededBytes } = await import("../dist/testing/index.js");
  const { mediaTypes } = await import("../dist/spec/index.js");
  const { entriesOf, pushBlob, pushDocument, pushLayer } = await import("../scripts/start/image.mjs");
  const offered = {
    *large(name, megabytes) {
      const seed = 1_000 * Buffer.from(name).reduce((sum, byte) => sum + byte, 0);
      const data = Buffer.concat(Array.from({ length: megabytes }, (_, at) => seededBytes(1e6, seed + at)));
      yield { name, data, mode: 0o755, mtime: 1_735_689_600 };
    },
    /** Copies of the packages below a directory of the image, until there are `count` entries. */
    *packages(name, count) {
      const modules = join(root, "node_modules");
      const names = readdirSync(modules).filter((entry) => !entry.startsWith("."));
      yield directory(name);
      for (let copy = 0, entries = 0; ; copy += 1) {
        yield directory(`${name}/${copy}`);
        for (const entry of names) {
          for (const one of entriesOf(join(modules, entry), `${name}/${copy}/${entry}`)) {
            // Large files are in the other images.
            if (one.data?.length > 1e6) continue;
            entries += 1;
            if (entries > count) return;
            yield one;
          }
        }
      }
    },
  };
  for (const name of imageNames) {
    const layout = join(images, name);
    if (existsSync(join(layout, "index.json"))) continue;
    console.error(`making ${name} in ${layout}`);
    rmSync(layout, { recursive: true, force: true });
    const opened = open(`oci:${layout}:latest`, { write: true });
    const { registry, repo, reference } = opened;
    const layers = [];
    for (const content of contents[name]) layers.push(await pushLayer(registry, repo, content(offered)));
    const platform = { os: "linux", architecture: "amd64" };
    const rootfs = { type: "layers", diff_ids: layers.map(({ diffID }) => diffID) };
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: await pushBlob(registry, repo, mediaTypes.config, { ...platform, rootfs }),
      layers: layers.map(({ descriptor }) => descriptor),
    };
    await pushDocument(registry, repo, manifest, [reference]);
    await opened.close();
  }
}
