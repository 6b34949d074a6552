import { GantryError } from "../../base/error.ts";
import { checkLimit } from "../../base/limits.ts";
import type { JsonObject } from "../../spec/json.ts";
import { parseJsonObject } from "../../spec/json.ts";
import type { HttpResponse } from "../../transport/message.ts";
import { redactUrl } from "../../transport/redact.ts";
import type { Transport } from "../../transport/transport.ts";
import { nextLink } from "./link.ts";

/**
 * The URL of the next page of a list (RFC 8288), if the server names one. Only its query is used: registries behind a
 * proxy name an inner port or leave out a part of the path, but their query is right.
 */
function nextPage(response: HttpResponse, page: URL): URL | undefined {
  const link = nextLink(response.headers["link"] ?? "");
  if (link === undefined) return undefined;
  const to = URL.canParse(link, response.url.href) ? new URL(link, response.url) : undefined;
  if (!to || to.hostname !== response.url.hostname) {
    throw new GantryError(
      "REDIRECT_REFUSED",
      `${response.redact(redactUrl(response.url))}: the answer names a next page on another host, which is not followed`,
    );
  }
  const next = new URL(page);
  next.search = to.search;
  for (const kept of ["artifactType", "ns"]) {
    const value = page.searchParams.get(kept);
    if (value !== null && !next.searchParams.has(kept)) next.searchParams.set(kept, value);
  }
  return next;
}

/**
 * The documents of a list, page by page: at most `Limits.pages`, and no page twice.
 * @param get fetches one page and throws on any status but 200
 */
export async function* pages(
  first: URL,
  get: (url: URL) => Promise<HttpResponse>,
  transport: Transport,
): AsyncGenerator<JsonObject> {
  const seen = new Set<string>();
  for (let url: URL | undefined = first; url; ) {
    checkLimit(transport.limits, "pages", seen.size + 1, `${redactUrl(first)}: the number of pages`);
    if (seen.has(url.href)) {
      throw new GantryError(
        "INVALID_RESPONSE",
        `${transport.redact(redactUrl(url))}: the list leads back to a page that was read already`,
      );
    }
    seen.add(url.href);
    const response: HttpResponse = await get(url);
    const what = `the page ${transport.redact(redactUrl(url))}`;
    yield parseJsonObject(await response.bytes(transport.limits.metadataBytes, what), what, transport.limits);
    url = nextPage(response, url);
  }
}
