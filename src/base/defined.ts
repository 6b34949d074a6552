type Defined<T> = { [K in keyof T]: undefined extends T[K] ? T[K] | undefined : T[K] };

/** A copy without the fields that are undefined, for what lists its fields: HTTP headers, documents, keys of a cache. */
export function withoutUndefined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}
