// node examples/own-registry.mjs IMAGE LAYOUT: serves a registry of one's own, with two methods, and pulls from it.
import { copy, open } from "gantry";
import { serve } from "gantry/server";

const image = open(process.argv[2]);
const own = {
  name: "own",
  async getManifest(_repo, reference, options) {
    return image.registry.getManifest(image.repo, reference, options); // or bytes of your own, with their descriptor
  },
  async getBlob(_repo, blob, options) {
    return image.registry.getBlob(image.repo, blob, options); // or bytesContent, fileContent, new Content
  },
};
const service = await serve(own, { onError: console.error });
const { descriptor, blobs } = await copy(`${service.host}/own:v1`, process.argv[3]);
console.log(`pulled ${descriptor.digest}: ${blobs.moved} blobs`);
await service.close();
await image.close();
