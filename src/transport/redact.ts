/** Query parameters of the distribution specification that name content and pages, never secrets. */
const harmless: ReadonlySet<string> = new Set(["n", "last", "mount", "from", "digest", "ns"]);
const plain = /^[\w.:/@+-]{0,256}$/;

/** A URL that is safe to show: without user and password, and with harmless query values only (some have a signature). */
export function redactUrl(url: URL | string): string {
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  shown.hash = "";
  shown.search = [...shown.searchParams]
    .map(([key, value]) => `${encodeURIComponent(key)}=${harmless.has(key) && plain.test(value) ? value : "***"}`)
    .join("&");
  // The address of an upload is a secret: any client that knows it can add to the upload.
  shown.pathname = shown.pathname.replace(/(\/blobs\/uploads\/).+$/, "$1***");
  return shown.href;
}

const address = /\bhttps?:\/\/[^\s"'<>\\]+/gi;
const scheme = /\b(bearer|basic|negotiate|aws4-hmac-sha256)\s+[^\s"',;]+/gi;
const secretField =
  /("?)\b((?:[a-z0-9]{1,20}[_-]){0,4}(?:token|password|passwd|secret|authorization|cookie|signature|credential|api[_-]?key|auth))\1(\s*[:=]\s*)("[^"]*"|[^\s"',;&}]+)/gi;

/** Text of a server or another program that is safe to show: everything that looks like a secret is taken out. */
export function redactText(text: string): string {
  return text
    .replace(address, (found) => (URL.canParse(found) ? redactUrl(found) : "***"))
    .replace(scheme, "$1 ***")
    .replace(secretField, "$1$2$1$3***");
}
