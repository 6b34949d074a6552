// node examples/store.mjs STORE NAME: labels, filters, garbage collection and a check of a store.
import { labelImage, listImages, Store } from "gantry";
import { hostPlatform } from "gantry/images";

const [directory, name] = process.argv.slice(2);
const store = new Store(directory);
await labelImage(store, name, ["team=core"]);
for (const { target, here } of await listImages(store, ["labels.team==core,name~=app"]))
  console.log(`${target.digest} is ${here.state} on this host: ${here.platforms.join(", ")}`);
await store.images.create({ name: "backup", target: (await store.images.get(name)).target });
const image = await store.image("backup", { platform: hostPlatform() });
const { complete, missing } = await image.check();
console.log(
  `${image.name}: ${await image.size()} bytes, ${(await image.rootFS()).length} layers, complete: ${complete}`,
);
for (const { descriptor, parent } of missing) console.log(`${descriptor.digest} of ${parent} is missing`);
const { blobs, bytes } = await store.gc({ dryRun: true });
console.log(`${blobs.length} blobs, ${bytes} bytes, have no name`);
const { findings } = await store.fsck();
console.log(findings.length === 0 ? "the store is sound" : findings);
await store.close();
