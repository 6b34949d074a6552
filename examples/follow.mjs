// node examples/follow.mjs IMAGE DIRECTORY: downloads a layer once, and three readers read it as it arrives.
import { createHash } from "node:crypto";
import { open } from "gantry";
import { BlobDirectory } from "gantry/content";
import { decodeDocument } from "gantry/spec";

const image = open(process.argv[2]);
const { descriptor, bytes } = await image.registry.getManifest(image.repo, image.reference);
const [layer] = decodeDocument(bytes, descriptor.mediaType).manifest.layers;
const directory = new BlobDirectory(process.argv[3]);

async function read() {
  const follower = await directory.follow(layer.digest);
  const hash = createHash("sha256");
  try {
    await follower.pump((chunk) => void hash.update(chunk));
    await follower.proved; // resolved already: the last byte comes when the digest is proved
  } finally {
    await follower.close();
  }
  return `sha256:${hash.digest("hex")}`;
}

const written = directory.write(layer, () => image.registry.getBlob(image.repo, layer));
const digests = await Promise.all([read(), read(), read()]);
console.log(`${descriptor.digest}: ${digests.filter((digest) => digest === layer.digest).length} readers, 1 download`);
await written;
await directory.close();
await image.close();
