// node examples/media-types.mjs IMAGE: the bytes of an image by media type, each blob once.
import { open } from "gantry";
import { childrenHandler, handlers, walk } from "gantry/images";
import { providerOf } from "gantry/registry";

const image = open(process.argv[2]);
const { descriptor } = await image.registry.getManifest(image.repo, image.reference);
const bytes = new Map();
const count = ({ mediaType, size }) => void bytes.set(mediaType, (bytes.get(mediaType) ?? 0) + size);
await walk(handlers(count, childrenHandler(providerOf(image.registry, image.repo))), descriptor);
for (const [mediaType, size] of bytes) console.log(`${mediaType}  ${size}`);
await image.close();
