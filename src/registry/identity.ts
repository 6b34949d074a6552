const identities = new WeakMap<object, string>();
let lastIdentity = 0;

/** A value as a part of a key: data by its content; functions, and objects with methods, by their identity. */
function keyOf(value: unknown): unknown {
  if (typeof value === "function") return identityOf(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof URL) return value.href;
  if (Array.isArray(value)) return value.map(keyOf);
  const prototype: unknown = Object.getPrototypeOf(value);
  const plain = prototype === Object.prototype || prototype === null;
  if (!plain || Object.values(value).some((item) => typeof item === "function")) return identityOf(value);
  return entriesOf(value);
}

/** The entries of an object as a part of a key. An entry that is undefined counts as absent. */
export function entriesOf(value: object): unknown {
  return Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, item]) => [name, keyOf(item)]);
}

/** A name for an object or function: its property `identity` if it has one, else a unique name. */
function identityOf(value: object): string {
  if ("identity" in value && typeof value.identity === "string") return `=${value.identity}`;
  let identity = identities.get(value);
  if (identity === undefined) {
    lastIdentity += 1;
    identity = `#${lastIdentity}`;
    identities.set(value, identity);
  }
  return identity;
}
