import type { Filter, Selector } from "../filters.ts";

/** An SQL expression and the values of its placeholders. */
interface Condition {
  readonly sql: string;
  readonly values: readonly string[];
}

const columns: ReadonlyMap<string, string> = new Map([
  ["name", "name"],
  ["target.digest", "digest"],
  ["target.mediatype", "media_type"],
]);

/**
 * The part of filters that SQL can check, so that fewer rows are read. Selectors that SQL cannot check with the same
 * meaning (labels, `~=`) are omitted, so the caller checks each image again.
 */
export function filterCondition(filters: readonly Filter[]): Condition {
  const each = filters.map(({ selectors }) => selectors.flatMap((selector) => selectorCondition(selector) ?? []));
  const any = each.map((all) => (all.length === 0 ? "1 = 1" : all.map(({ sql }) => sql).join(" AND ")));
  return { sql: `(${any.join(" OR ")})`, values: each.flat().flatMap(({ values }) => values) };
}

function selectorCondition({ field, operator, value }: Selector): Condition | undefined {
  // `"target.digest"` in quotes is one part that contains a dot. No image has a field of that name.
  const column = field.some((part) => part.includes(".")) ? undefined : columns.get(field.join("."));
  // PostgreSQL has no NUL in text.
  if (column === undefined || value.includes("\0")) return undefined;
  if (operator === "==") return { sql: `${column} = ?`, values: [value] };
  if (operator === "!=") return { sql: `${column} <> ?`, values: [value] };
  return undefined;
}
