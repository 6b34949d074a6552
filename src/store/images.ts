import { GantryError } from "../base/error.ts";
import { decodeDescriptor } from "../spec/decode.ts";
import type { Descriptor } from "../spec/types.ts";

/** A name in a store, its target, and its labels. */
export interface StoredImage {
  /** Usually a reference in full: `docker.io/library/alpine:3.20`. */
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** An image as a caller gives it. The store sets the times. */
export interface ImageRecord {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** Which fields an update changes: `target`, `labels`, or `labels.KEY`, where KEY is everything after the first dot. */
export type FieldPath = "target" | "labels" | `labels.${string}`;

/** The names of one namespace. Readers see a change of a name as a whole or not at all. */
export interface ImageStore {
  /** @throws IMAGE_NOT_FOUND */
  get(name: string): Promise<StoredImage>;
  /**
   * The images that pass any of the filters, in the byte order of their names; without filters, all images.
   * @see parseFilter
   * @throws INVALID_FILTER
   */
  list(...filters: readonly string[]): Promise<readonly StoredImage[]>;
  /** @throws IMAGE_EXISTS, INVALID_IMAGE */
  create(image: ImageRecord): Promise<StoredImage>;
  /**
   * Changes the given fields: `labels` replaces all labels; `labels.KEY` sets one, or removes it where the value is
   * empty or absent. Without field paths target and labels are replaced. `createdAt` stays.
   * @throws IMAGE_NOT_FOUND, INVALID_IMAGE
   */
  update(image: ImageRecord, ...fields: readonly FieldPath[]): Promise<StoredImage>;
  /** Sets the target of a new or existing name. Labels stay. @throws INVALID_IMAGE */
  set(name: string, target: Descriptor): Promise<StoredImage>;
  /** @throws IMAGE_NOT_FOUND */
  delete(name: string): Promise<void>;
}

const MAX_NAME = 1024;
/** The length of a label's key and value together, as in containerd. */
const MAX_LABEL = 4096;
const MAX_NAMESPACE = 76;

/** @throws INVALID_NAMESPACE unless the text is words joined by single `.`, `_` or `-`, 76 characters at most */
export function parseNamespace(text: string): string {
  if (text.length <= MAX_NAMESPACE && /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/.test(text)) return text;
  throw new GantryError(
    "INVALID_NAMESPACE",
    `${JSON.stringify(text.slice(0, 100))} is not a namespace; expected words of letters and digits, joined by single ".", "_" or "-", at most ${MAX_NAMESPACE} characters`,
  );
}

function invalid(name: string, field: string, fault: string): GantryError<"INVALID_IMAGE"> {
  return new GantryError("INVALID_IMAGE", `image ${JSON.stringify(name.slice(0, 200))}: ${field} ${fault}`, {
    details: { field },
  });
}

/** Whether a store accepts the name: both databases must return it unchanged. */
export function isName(name: string): boolean {
  return (
    typeof name === "string" &&
    name !== "" &&
    name.length <= MAX_NAME &&
    !/[\u0000-\u001f\u007f]/.test(name) &&
    isUnicode(name)
  );
}

/** Whether the text is valid Unicode, which UTF-8 can hold: it has no lone surrogates. */
const isUnicode = (text: string): boolean => !/\p{Surrogate}/u.test(text);

/** The record, checked. @throws INVALID_IMAGE naming the field, or what decoding the target throws */
export function checkImage(image: ImageRecord): Pick<StoredImage, "name" | "target" | "labels"> {
  const { name, target, labels = {} } = image;
  if (typeof name !== "string" || name === "") throw invalid("", "name", "is required");
  if (!isName(name)) {
    throw invalid(name, "name", `must be valid Unicode of at most ${MAX_NAME} characters, without control characters`);
  }
  if (!target?.digest) throw invalid(name, "target.digest", "is required");
  if (!target.mediaType) throw invalid(name, "target.mediaType", "is required");
  checkLabels(name, labels);
  return { name, target: decodeDescriptor(structuredClone(target), `the target of ${name}`), labels };
}

function checkLabels(name: string, labels: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(labels)) {
    if (key === "" || typeof value !== "string")
      throw invalid(name, `labels.${key}`, "must be a string, and its key must not be empty");
    if (key.length + value.length > MAX_LABEL) {
      throw invalid(
        name,
        `labels.${key.slice(0, 64)}`,
        `is longer than ${MAX_LABEL} characters, key and value together`,
      );
    }
    if (key.includes("\0") || value.includes("\0") || !isUnicode(key + value)) {
      throw invalid(name, `labels.${key}`, "must be valid Unicode without NUL");
    }
  }
}

/** An image with the changes of an update. @throws INVALID_IMAGE */
export function applyUpdate(
  old: Pick<StoredImage, "target" | "labels">,
  image: ImageRecord,
  fields: readonly FieldPath[],
): Pick<StoredImage, "target" | "labels"> {
  if (fields.length === 0) return checkImage(image);
  let { target } = old;
  let labels = new Map(Object.entries(old.labels));
  for (const field of fields) {
    if (field === "target") target = checkImage(image).target;
    else if (field === "labels") labels = new Map(Object.entries(image.labels ?? {}));
    else if (field.startsWith("labels.") && field.length > "labels.".length) {
      const key = field.slice("labels.".length);
      const value = Object.hasOwn(image.labels ?? {}, key) ? image.labels![key]! : "";
      if (value === "") labels.delete(key);
      else labels.set(key, value);
    } else throw invalid(image.name, field, "cannot be updated; fields are target, labels and labels.KEY");
  }
  const changed = Object.fromEntries(labels);
  checkLabels(image.name, changed);
  return { target, labels: changed };
}
