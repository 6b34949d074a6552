import { type Field, list, string } from "./schema.ts";

/** The fields of a platform, in an index and in an image configuration; `page` is the page with their rules. */
export const platformFields = (
  page: string,
): Record<"architecture" | "os" | "os.version" | "os.features" | "variant", Field> => ({
  architecture: {
    schema: string,
    required: true,
    empty: () => "",
    rule: `${page}: architecture: This REQUIRED property specifies the CPU architecture.`,
  },
  os: {
    schema: string,
    required: true,
    empty: () => "",
    rule: `${page}: os: This REQUIRED property specifies the operating system.`,
  },
  "os.version": {
    schema: string,
    rule: `${page}: os.version: This OPTIONAL property specifies the version of the operating system targeted by the referenced blob.`,
  },
  "os.features": {
    schema: list(string),
    rule: `${page}: os.features: This OPTIONAL property specifies an array of strings, each specifying a mandatory OS feature.`,
  },
  variant: { schema: string, rule: `${page}: variant: This OPTIONAL property specifies the variant of the CPU.` },
});
