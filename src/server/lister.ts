import { isGantryError } from "../base/error.ts";
import type { RepoName } from "../reference/reference.ts";
import type { ListOptions } from "../registry/registry.ts";
import type { Call } from "./call.ts";
import { askAll } from "./errors.ts";
import { sendJson } from "./respond.ts";

/** The most names that a page of a listing holds, whatever the client asks for. */
const MAX_PAGE = 1000;

export function listRepositories(call: Call): Promise<void> {
  return sendNames(call, "repositories", (options) => ifAny(call.registry.repositories(options)));
}

/** distribution-spec, "Listing Tags". */
export function listTags(call: Call, repo: RepoName): Promise<void> {
  return sendNames(call, "tags", (options) => call.registry.tags(repo, options), { name: repo });
}

/** One page. An `n` above the maximum is lowered and not refused; the page begins after `last`. */
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
  sendJson(call, { ...more, [key]: page }, { link: another ? `<${pathname}?${next}>; rel="next"` : undefined });
}

/** The names; none before the first push, because a layout does not exist until then. */
async function* ifAny<T>(names: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* names;
  } catch (error) {
    if (!isGantryError(error, "NAME_UNKNOWN")) throw error;
  }
}
