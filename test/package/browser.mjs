// A page that reads images; the tests bundle it for browsers and compare what it finds with what Node finds.
import { parseRef } from "gantry/reference";
import {
  decodeDocument,
  digestOf,
  editManifest,
  embeddedData,
  emptyJsonDescriptor,
  encodeJson,
  encodeManifest,
  Hasher,
  summarizeManifest,
  validateManifest,
} from "gantry/spec";

const text = (bytes) => new TextDecoder().decode(bytes);

export function page(bytes) {
  const { manifest } = decodeDocument(bytes);
  const hasher = new Hasher("sha512").update(bytes.subarray(0, 7));
  return {
    digests: [digestOf(bytes), digestOf("é", "sha512"), hasher.copy().update(bytes.subarray(7)).digest()],
    written: text(encodeManifest(manifest)),
    edited: text(editManifest(bytes, (old) => ({ ...old, annotations: { b: "é", "\u{1f600}": "1", "\ufb01": "2" } }))),
    ordered: text(encodeJson({ "\u{1f600}": 1, "\ufb01": 2, ab: 4, a: 3 })),
    embedded: text(embeddedData(emptyJsonDescriptor)),
    summary: summarizeManifest(bytes),
    violations: validateManifest(bytes),
    reference: String(parseRef("alpine:3.20")),
  };
}
