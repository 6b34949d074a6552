// node examples/names.mjs IMAGE HOST: adds a tag, lists repositories and referrers, reads a blob, and deletes the tag.
import { blob, catalog, manifest, referrers, remove, tag } from "gantry";

const [image, host] = process.argv.slice(2);
const repository = image.replace(/:[^:/]+$/, "");
const { digest } = await tag(image, ["again"]);
for await (const name of catalog(host)) console.log(`repository ${name}`);
const { config } = JSON.parse((await manifest(image)).bytes.toString());
let bytes = 0;
await blob(`${repository}@${config.digest}`, (chunk) => {
  bytes += chunk.length;
});
console.log(`${digest}, whose config is ${bytes} bytes long`);
for await (const { artifactType } of referrers(image)) console.log(`referred to by a ${artifactType}`);
await remove(`${repository}:again`);
