import { GantryError } from "../base/error.ts";
import type { Filter, Selector } from "./filters.ts";
import type { StoredImage } from "./images.ts";

/** The value of a field of an image; undefined where it is absent. Unknown fields are always absent. */
function fieldValue(image: StoredImage, field: readonly string[]): string | undefined {
  const [first, ...rest] = field;
  const path = rest.join(".");
  if (first === "name" && rest.length === 0) return image.name;
  if (first === "target" && path === "digest") return image.target.digest;
  if (first === "target" && path === "mediatype") return image.target.mediaType;
  if (first === "labels" && path !== "" && Object.hasOwn(image.labels, path)) return image.labels[path];
  return undefined;
}

/**
 * A function that says whether an image passes any of the filters; without filters every image passes. The engine of
 * regular expressions is loaded only where a filter has one.
 * @throws INVALID_FILTER for an expression that RE2 does not accept
 */
export async function matcher(filters: readonly Filter[]): Promise<(image: StoredImage) => boolean> {
  const compiled = await Promise.all(
    filters.map((filter) => Promise.all(filter.selectors.map((it) => test(filter, it)))),
  );
  return (image) => compiled.length === 0 || compiled.some((tests) => tests.every((matches) => matches(image)));
}

async function test(filter: Filter, selector: Selector): Promise<(image: StoredImage) => boolean> {
  const { field, operator, value } = selector;
  if (operator === "present") return (image) => fieldValue(image, field) !== undefined;
  if (operator === "==") return (image) => fieldValue(image, field) === value;
  if (operator === "!=") return (image) => (fieldValue(image, field) ?? "") !== value;
  const { RE2JS } = await import("re2js");
  let expression: { matcher(text: string): { find(): boolean } };
  try {
    expression = RE2JS.compile(value);
  } catch (error) {
    throw new GantryError(
      "INVALID_FILTER",
      `the filter ${JSON.stringify(filter.text)} is wrong at character ${selector.at + 1}: ${JSON.stringify(value)} is not an RE2 expression: ${(error as Error).message}`,
      { cause: error, details: { position: selector.at + 1 } },
    );
  }
  return (image) => expression.matcher(fieldValue(image, field) ?? "").find();
}
