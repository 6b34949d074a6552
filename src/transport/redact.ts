/** A URL as it may be shown: no user, no query values (signed URLs carry their secret there). */
export function redactUrl(url: URL | string): string {
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  shown.hash = "";
  for (const key of new Set(shown.searchParams.keys())) shown.searchParams.set(key, "***");
  // Who knows where an upload goes on can go on with it.
  shown.pathname = shown.pathname.replace(/(\/blobs\/uploads\/).+$/, "$1***");
  return shown.href;
}

const address = /\bhttps?:\/\/[^\s"'<>\\]+/gi;
const scheme = /\b(bearer|basic|negotiate|aws4-hmac-sha256)\s+[^\s"',;]+/gi;
const secretField =
  /("?)\b((?:[a-z0-9]{1,20}[_-]){0,4}(?:token|password|passwd|secret|authorization|cookie|signature|credential|api[_-]?key|auth))\1(\s*[:=]\s*)("[^"]*"|[^\s"',;&}]+)/gi;

/**
 * Text of somebody else, as it may be shown: what looks like a secret is taken out, and so are those that we know.
 * @param known secrets that were sent, wherever they come back
 */
export function redactText(text: string, known: Iterable<string> = []): string {
  let shown = text;
  for (const secret of known) if (secret.length >= 4) shown = shown.replaceAll(secret, "***");
  return shown
    .replace(address, (found) => (URL.canParse(found) ? redactUrl(found) : "***"))
    .replace(scheme, "$1 ***")
    .replace(secretField, "$1$2$1$3***");
}
