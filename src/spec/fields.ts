import { GantryError } from "../base/error.ts";
import { parseDigest } from "./digest.ts";
import { invalid, type JsonObject } from "./json.ts";

/**
 * A check of one value in a parsed document, in place. `path` says where it stands (`layers[3].size`), `what` names
 * the document. Checks replace nothing but nulls, which Go writes for what is absent.
 */
export type Check = (value: unknown, path: string, what: string) => void;

const join = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`);

export const string: Check = (value, path, what) => {
  if (typeof value !== "string") throw invalid(what, path, "must be a string");
};

export const nonEmptyString: Check = (value, path, what) => {
  if (typeof value !== "string" || value === "") throw invalid(what, path, "must be a non-empty string");
};

export const boolean: Check = (value, path, what) => {
  if (typeof value !== "boolean") throw invalid(what, path, "must be true or false");
};

export const size: Check = (value, path, what) => {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw invalid(what, path, "must be a whole number of bytes from 0 to 2^53-1");
  }
};

export const digest: Check = (value, path, what) => {
  parseDigest(value, `${what}: ${path}`);
};

export const object: Check = (value, path, what) => {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(what, path, "must be an object");
};

export function list(item: Check): Check {
  return (value, path, what) => {
    if (!Array.isArray(value)) throw invalid(what, path, "must be a list");
    for (const [index, element] of value.entries()) item(element, `${path}[${index}]`, what);
  };
}

export function map(item: Check): Check {
  return (value, path, what) => {
    object(value, path, what);
    for (const [key, element] of Object.entries(value as JsonObject))
      item(element, join(path, JSON.stringify(key)), what);
  };
}

export interface Field {
  readonly check: Check;
  readonly required?: boolean;
  /** What stands for a missing or null value. */
  readonly empty?: () => unknown;
}

/**
 * An object whose listed fields are checked and whose other fields are kept. A key that equals a listed one but for
 * its case is refused: readers that fold case would see another document (CVE-2021-41190 and its relatives).
 */
export function fields(spec: Readonly<Record<string, Field>>): Check {
  const folded = new Map(Object.keys(spec).map((key) => [key.toLowerCase(), key]));
  return (value, path, what) => {
    object(value, path, what);
    const record = value as JsonObject;
    for (const key of Object.keys(record)) {
      const known = folded.get(key.toLowerCase());
      if (known !== undefined && known !== key) {
        throw new GantryError(
          "AMBIGUOUS_DOCUMENT",
          `${what}: ${join(path, key)} differs from the field ${known} only in case`,
          { details: { path: join(path, key) } },
        );
      }
    }
    for (const [key, field] of Object.entries(spec)) {
      const present = Object.hasOwn(record, key) && record[key] !== null;
      if (present) {
        field.check(record[key], join(path, key), what);
      } else {
        if (field.empty) record[key] = field.empty();
        else if (field.required) throw invalid(what, join(path, key), "is missing");
        else delete record[key];
      }
    }
  };
}
