import { isGantryError } from "../base/error.ts";
import type { RepoName } from "../reference/reference.ts";
import type { ListOptions } from "../registry/registry.ts";
import type { Call } from "./call.ts";
import { askAll } from "./errors.ts";
import { sendJson } from "./respond.ts";

/** How many names a page of a listing holds at the most, whatever is asked for. */
const MAX_PAGE = 1000;

export function listRepositories(call: Call): Promise<void> {
  return sendNames(call, "repositories", (options) => ifAny(call.registry.repositories(options)));
}

/** distribution-spec, "Listing Tags". */
export function listTags(call: Call, repo: RepoName): Promise<void> {
  return sendNames(call, "tags", (options) => call.registry.tags(repo, options), { name: repo });
}

/** One page: `n` is clamped, never refused; `last` is exclusive. */
async function sendNames(
  call: Call,
  key: string,
  list: (options: ListOptions) => AsyncIterable<string>,
  more: object = {},
): Promise<void> {
  const { searchParams, pathname } = call.url;
  const asked = searchParams.get("n");
  const count = asked !== null && /^\d+$/.test(asked) ? Math.min(Number(asked), MAX_PAGE) : MAX_PAGE;
  const last = searchParams.get("last");
  const page: string[] = [];
  let another = false;
  const names = list({ signal: call.signal, after: last ?? undefined });
  for await (const name of askAll(names)) {
    if (last !== null && name <= last) continue;
    if (page.length === count) {
      another = count > 0;
      break;
    }
    page.push(name);
  }
  const next = new URLSearchParams({ n: String(count), last: page.at(-1) ?? "" });
  sendJson(call, { ...more, [key]: page }, another ? { link: `<${pathname}?${next}>; rel="next"` } : {});
}

/** Names, or none where there is nothing yet: a layout that no image was pushed to is no layout. */
async function* ifAny<T>(names: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* names;
  } catch (error) {
    if (!isGantryError(error, "NAME_UNKNOWN")) throw error;
  }
}
