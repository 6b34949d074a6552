const identities = new WeakMap<object, string>();
let lastIdentity = 0;

/** A value as a key: plain values by what they hold, functions and objects with behaviour by which object they are. */
export function keyOf(value: unknown): unknown {
  if (typeof value === "function") return identityOf(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof URL) return value.href;
  if (Array.isArray(value)) return value.map(keyOf);
  const plain = Object.getPrototypeOf(value) === Object.prototype;
  if (!plain || Object.values(value).some((item) => typeof item === "function")) return identityOf(value);
  return entriesOf(value);
}

/** The entries of an object, as a key; those that are undefined are as good as absent. */
export function entriesOf(value: object): unknown {
  return Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, item]) => [name, keyOf(item)]);
}

/** Makes functions that do the same thing one and the same as a key. @param what says what they do, and with what */
export function identified<T extends object>(value: T, what: string): T {
  identities.set(value, `=${what}`);
  return value;
}

function identityOf(value: object): string {
  let identity = identities.get(value);
  if (identity === undefined) {
    lastIdentity += 1;
    identity = `#${lastIdentity}`;
    identities.set(value, identity);
  }
  return identity;
}
