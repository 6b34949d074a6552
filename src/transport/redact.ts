/** A URL as it may be shown: no user, no query values (signed URLs carry their secret there). */
export function redactUrl(url: URL | string): string {
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  shown.hash = "";
  for (const key of new Set(shown.searchParams.keys())) shown.searchParams.set(key, "***");
  return shown.href;
}
