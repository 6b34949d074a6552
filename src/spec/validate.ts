import { messageOf } from "../base/error.ts";
import { descriptor, index, layout, manifest } from "./documents.ts";
import { image } from "./image-document.ts";
import { parseJson } from "./json.ts";
import { Report, type Schema } from "./schema.ts";
import { imageLayout } from "./types.ts";

/** One place where a document breaks the specification. */
export interface Violation {
  /** The place in the document: `layers[3].size`; the empty string is the document itself. */
  readonly path: string;
  /** What is wrong. */
  readonly message: string;
  /** The sentence of the specification that is broken, after the name of its page. Absent if the bytes are not JSON. */
  readonly rule?: string | undefined;
}

/**
 * Every violation of the specification in an image manifest, in the order of the specification: none if it is valid.
 * Stricter than decoding, which accepts what common builders write. Takes the bytes of the document, in which it also
 * finds duplicate keys, or the parsed value.
 */
export function validateManifest(document: unknown): readonly Violation[] {
  return validate(manifest, document);
}

/** As {@link validateManifest}, for an image index. */
export function validateIndex(document: unknown): readonly Violation[] {
  return validate(index, document);
}

/** As {@link validateManifest}, for an image configuration. */
export function validateImage(document: unknown): readonly Violation[] {
  return validate(image, document);
}

/** As {@link validateManifest}, for one descriptor. */
export function validateDescriptor(document: unknown): readonly Violation[] {
  return validate(descriptor, document);
}

/** As {@link validateManifest}, for an oci-layout file. */
export function validateImageLayout(document: unknown): readonly Violation[] {
  const found = validate(layout, document);
  const value = document instanceof Uint8Array && found.length === 0 ? parseJson(document, 0).value : document;
  const version = (value as Record<string, unknown> | null)?.["imageLayoutVersion"];
  if (found.length > 0 || version === imageLayout.version) return found;
  return [
    {
      path: "imageLayoutVersion",
      message: `is ${JSON.stringify(version)}; the only known version is "${imageLayout.version}"`,
      rule: "image-layout.md: It MUST contain an `imageLayoutVersion` field.",
    },
  ];
}

/** The most ambiguities that are listed. */
const MOST_AMBIGUITIES = 100;
const INTEGER_RULE =
  "RFC 7493: an I-JSON sender cannot expect a receiver to treat an integer beyond 2^53-1 as an exact value.";

function validate(schema: Schema, document: unknown): readonly Violation[] {
  const violations: Violation[] = [];
  let value = document;
  if (document instanceof Uint8Array) {
    try {
      const parsed = parseJson(document, MOST_AMBIGUITIES);
      value = parsed.value;
      for (const { path, message, code } of parsed.ambiguities) {
        const rule =
          code === "AMBIGUOUS_DOCUMENT" ? "RFC 8259: The names within an object SHOULD be unique." : INTEGER_RULE;
        violations.push({ path, message, rule });
      }
    } catch (error) {
      return [{ path: "", message: `is not valid JSON: ${messageOf(error)}` }];
    }
  }
  const report = new Report(true, ({ path, message, rule }) => violations.push({ path, message, rule }));
  schema.check(value, "", report);
  return violations;
}
