import type { ErrorCode } from "../base/codes.ts";
import { isGantryError } from "../base/error.ts";
import { parseDigest } from "./digest.ts";
import type { JsonObject } from "./json.ts";

/** A fault in a document. `rule` is the sentence of the specification that it breaks, after the name of its page. */
export interface Fault {
  readonly path: string;
  readonly message: string;
  readonly code: ErrorCode;
  readonly rule?: string | undefined;
}

/**
 * Collects the faults that checks find. Decoding stops at the first one, and accepts what common builders write although
 * the specification does not allow it. Validating is `strict` and finds all faults.
 */
export class Report {
  readonly strict: boolean;
  readonly #tell: (fault: Fault) => void;
  readonly #rule: string | undefined;

  constructor(strict: boolean, tell: (fault: Fault) => void, rule?: string) {
    this.strict = strict;
    this.#tell = tell;
    this.#rule = rule;
  }

  /** The same report for a part that has a rule of its own. */
  under(rule: string | undefined): Report {
    return this.strict && rule !== undefined ? new Report(true, this.#tell, rule) : this;
  }

  /** The same report, which also calls `onFault` at each fault. */
  watched(onFault: () => void): Report {
    const tell = (fault: Fault): void => {
      onFault();
      this.#tell(fault);
    };
    return new Report(this.strict, tell, this.#rule);
  }

  fail(path: string, message: string, code: ErrorCode = "INVALID_DOCUMENT"): void {
    this.#tell({ path, message, code, rule: this.#rule });
  }
}

/**
 * Describes a value in a document. The same schemas decode, validate and write a document: `keys` is the order in which
 * Go writes an object, `child` the schema of a field or of an element.
 */
export interface Schema {
  readonly kind: "scalar" | "list" | "map" | "object";
  check(value: unknown, path: string, report: Report): void;
  readonly keys?: readonly string[] | undefined;
  /** Keys that Go leaves out if the value is empty. */
  readonly optional?: ReadonlySet<string> | undefined;
  child?(key: string): Schema | undefined;
}

const join = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`);

function scalar(check: Schema["check"]): Schema {
  return { kind: "scalar", check };
}

/** The schema with one more check, which only validation makes, and only if the value has no other fault. */
export function strictly(schema: Schema, fault: (value: never) => string | undefined): Schema {
  return {
    ...schema,
    check(value, path, report) {
      if (!report.strict) return schema.check(value, path, report);
      let failed = false;
      const onFault = (): void => {
        failed = true;
      };
      schema.check(value, path, report.watched(onFault));
      const found = failed ? undefined : fault(value as never);
      if (found !== undefined) report.fail(path, found);
    },
  };
}

/** The schema of a text; validation also checks the pattern. */
export const matches = (schema: Schema, pattern: RegExp, fault: string): Schema =>
  strictly(schema, (value: string) => (pattern.test(value) ? undefined : fault));

export const string: Schema = scalar((value, path, report) => {
  if (typeof value !== "string") report.fail(path, "must be a string");
});

export const nonEmptyString: Schema = scalar((value, path, report) => {
  if (typeof value !== "string" || value === "") report.fail(path, "must be a non-empty string");
});

export const boolean: Schema = scalar((value, path, report) => {
  if (typeof value !== "boolean") report.fail(path, "must be true or false");
});

export const size: Schema = scalar((value, path, report) => {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    report.fail(path, "must be a whole number of bytes from 0 to 2^53-1");
  }
});

export const digest: Schema = scalar((value, path, report) => {
  try {
    parseDigest(value, path);
  } catch (error) {
    if (!isGantryError(error)) throw error;
    // descriptor.md: Implementations SHOULD allow digests with unrecognized algorithms to pass validation if they
    // comply with the above grammar. Only reading the content needs to know the algorithm.
    if (error.code === "UNSUPPORTED_ALGORITHM") return;
    report.fail(path, error.message.slice(path.length + 2), error.code);
  }
});

export const anyObject: Schema = scalar((value, path, report) => {
  if (!isObject(value)) report.fail(path, "must be an object");
});

/** Exactly one value, such as a version. */
export function constant(wanted: string | number): Schema {
  return scalar((value, path, report) => {
    if (value !== wanted) report.fail(path, `must be ${JSON.stringify(wanted)}`);
  });
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function list(item: Schema): Schema {
  return {
    kind: "list",
    check(value, path, report) {
      if (!Array.isArray(value)) return report.fail(path, "must be a list");
      for (const [index, element] of value.entries()) item.check(element, `${path}[${index}]`, report);
    },
    child: () => item,
  };
}

export function map(item: Schema): Schema {
  return {
    kind: "map",
    check(value, path, report) {
      if (!isObject(value)) return report.fail(path, "must be an object");
      if (!report.strict) shapes.set(value, noShape);
      for (const [key, element] of Object.entries(value)) item.check(element, join(path, JSON.stringify(key)), report);
    },
    child: () => item,
  };
}

export interface Field {
  readonly schema: Schema;
  /** The sentence of the specification that a wrong value breaks, after the name of its page. */
  readonly rule: string;
  readonly required?: boolean | undefined;
  /** The default for a missing or null value. Validation still reports a required field as missing. */
  readonly empty?: (() => unknown) | undefined;
}

/** How an object was written in the document that it was read from. */
export interface Shape {
  readonly keys: readonly string[];
  readonly nulls: ReadonlySet<string>;
  /** Keys that the document did not have, and that were filled in. */
  readonly filled: ReadonlySet<string>;
}

const shapes = new WeakMap<object, Shape>();

/** The shape of every map: it only says that the map was decoded. */
const noShape: Shape = { keys: [], nulls: new Set(), filled: new Set() };

/** A key as case-insensitive readers see it, such as Go: there a long s is an s, and the Kelvin sign a k. */
export const foldCase = (key: string): string => key.toUpperCase().toLowerCase();

/** The shape of a decoded object; undefined for other objects, copies included. */
export const shapeOf = (value: object): Shape | undefined => shapes.get(value);

/**
 * An object whose listed fields are checked and whose other fields are kept. A key that differs from a listed one only in
 * case is refused: case-insensitive readers would see another document (as in CVE-2021-41190). Nulls, which Go writes for
 * absent values, are removed; the shape keeps them. Validation accepts them in `nullable` objects only.
 */
export function fields(
  spec: Readonly<Record<string, Field>>,
  options: { readonly nullable?: boolean | undefined } = {},
): Schema {
  const folded = new Map(Object.keys(spec).map((key) => [foldCase(key), key]));
  const entries = Object.entries(spec);
  return {
    kind: "object",
    keys: Object.keys(spec),
    optional: new Set(entries.flatMap(([key, field]) => (field.required ? [] : [key]))),
    child: (key) => (Object.hasOwn(spec, key) ? spec[key]!.schema : undefined),
    check(value, path, report) {
      if (!isObject(value)) return report.fail(path, "must be an object");
      const keys = Object.keys(value);
      for (const key of keys) {
        const known = folded.get(foldCase(key));
        if (known !== undefined && known !== key) {
          report.fail(join(path, key), `differs from the field ${known} only in case`, "AMBIGUOUS_DOCUMENT");
        }
      }
      const nulls = new Set<string>();
      const filled = new Set<string>();
      for (const [key, field] of entries) {
        const present = Object.hasOwn(value, key);
        if (present && value[key] !== null) {
          field.schema.check(value[key], join(path, key), report.under(field.rule));
          continue;
        }
        if (field.required && (report.strict || !field.empty)) {
          report.under(field.rule).fail(join(path, key), "is missing");
        } else if (report.strict && present && !options.nullable) {
          report.under(field.rule).fail(join(path, key), "is null; leave it out instead");
        }
        if (report.strict) continue;
        if (present) nulls.add(key);
        else if (field.empty) filled.add(key);
        if (field.empty) value[key] = field.empty();
        else delete value[key];
      }
      if (!report.strict) shapes.set(value, { keys, nulls, filled });
    },
  };
}
