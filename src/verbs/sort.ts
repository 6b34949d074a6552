/** The order of a list of names: the registry's own, byte order, or as versions. */
export type NameOrder = "none" | "name" | "semver";

/**
 * Sorts names. Versions go from the lowest to the highest; `1.2` and `v1.2` count as `1.2.0`. Names that are not versions
 * come first.
 */
export async function sortNames(names: readonly string[], order: NameOrder): Promise<readonly string[]> {
  if (order === "none") return names;
  const byBytes = [...names].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  if (order === "name") return byBytes;
  const { default: semver } = await import("semver");
  const versions = new Map(byBytes.map((name) => [name, semver.parse(wholeVersion(name), { loose: true })]));
  return byBytes.sort((a, b) => {
    const [left, right] = [versions.get(a), versions.get(b)];
    if (left && right) return semver.compare(left, right);
    return left ? 1 : right ? -1 : 0;
  });
}

/** `v3.20-alpine` as `3.20.0-alpine`. */
function wholeVersion(tag: string): string {
  const parts = /^v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?([-+].*)?$/.exec(tag);
  return parts ? `${parts[1]}.${parts[2] ?? 0}.${parts[3] ?? 0}${parts[4] ?? ""}` : "";
}
