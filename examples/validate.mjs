// node examples/validate.mjs IMAGE: checks the top document of an image, and writes it as Go does.
import { manifest } from "gantry";
import { decodeDocument, encodeIndex, encodeManifest, validateIndex, validateManifest } from "gantry/spec";

const { bytes, descriptor } = await manifest(process.argv[2]);
const document = decodeDocument(bytes, descriptor.mediaType); // refuses what is ambiguous or malformed
const violations = document.kind === "index" ? validateIndex(bytes) : validateManifest(bytes);
for (const { path, message, rule } of violations) console.log(`${path} ${message} (${rule})`);
const written = document.kind === "index" ? encodeIndex(document.index) : encodeManifest(document.manifest);
console.log(`${descriptor.digest} ${violations.length} violations, byte for byte: ${written.equals(bytes)}`);
