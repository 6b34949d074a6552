// node examples/look.mjs REF: shows an image without reading its layers.
import { config, inspect, manifest, resolve, tags } from "gantry";

const [reference] = process.argv.slice(2);
const { digest } = await resolve(reference); // by HEAD
const { bytes } = await manifest(reference); // byte for byte
const { images } = await inspect(reference);
for await (const tag of tags(reference.replace(/:[^:/]+$/, ""))) console.log(`tag ${tag}`);
console.log(`${digest}, ${bytes.length} bytes`);
for (const { platform, layers } of images)
  console.log(`${platform.os}/${platform.architecture}: ${layers.length} layers`);
console.log(JSON.parse((await config(reference)).bytes.toString()).config);
