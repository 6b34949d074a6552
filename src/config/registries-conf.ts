import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../base/error.ts";
import type { RepoName } from "../reference/reference.ts";
import { Fields } from "./fields.ts";
import { invalidConfig, readToml, type Table } from "./file.ts";
import { allCapabilities, type Endpoint, type Routes, rewritten } from "./routes.ts";

/** One `[[registry]]`, and the file that it is in. */
interface Entry {
  readonly prefix: string;
  readonly fields: Fields;
  readonly from: string;
}

/** The `registries.conf` of podman, buildah and skopeo. */
export interface RegistriesConf {
  /** The routes of the entry with the longest matching prefix; undefined where no entry matches. @throws CONFIG_INVALID */
  routes(host: string, repo: RepoName): Routes | undefined;
  /** Names without a host; for each the full name, and the file that says so. */
  readonly aliases: ReadonlyMap<string, { readonly name: string; readonly from: string }>;
  /** The registries in which a name without a host is searched. */
  readonly searches: readonly string[];
}

/**
 * The files that are read, in order: the main file (CONTAINERS_REGISTRIES_CONF, else that of the user, else that of the
 * system), then the drop-in files of `registries.conf.d`.
 */
async function files(env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const home = join(env["XDG_CONFIG_HOME"] || join(homedir(), ".config"), "containers");
  const user = join(home, "registries.conf");
  const named = env["CONTAINERS_REGISTRIES_CONF"];
  const system = "/etc/containers/registries.conf";
  if (named && (await readToml(named)) === undefined) {
    throw invalidConfig(named, "CONTAINERS_REGISTRIES_CONF names it, but there is no such file");
  }
  const main = named || ((await readToml(user)) ? user : system);
  const dropIns = main === user ? [] : await confFiles(`${system}.d`);
  return [main, ...dropIns, ...(await confFiles(`${user}.d`))];
}

async function confFiles(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory).catch(() => []);
  return names
    .filter((name) => name.endsWith(".conf"))
    .sort()
    .map((name) => join(directory, name));
}

/**
 * @see containers-registries.conf(5), version 2; the old format is an error
 * @throws CONFIG_INVALID
 */
export async function readRegistriesConf(env: NodeJS.ProcessEnv = process.env): Promise<RegistriesConf> {
  const entries = new Map<string, Entry>();
  const aliases = new Map<string, { readonly name: string; readonly from: string }>();
  let searches: readonly string[] = [];
  for (const path of await files(env)) {
    const file = await readToml(path);
    if (!file) continue;
    const root = new Fields(file, path);
    if (root.any("registries") !== undefined) {
      throw invalidConfig(path, "it has the old format, [registries]; rewrite it with [[registry]]");
    }
    for (const table of root.tables("registry")) addEntry(entries, table, path);
    for (const [name, to] of Object.entries(root.table("aliases"))) {
      if (typeof to !== "string") throw invalidConfig(path, `aliases.${JSON.stringify(name)} must be a string`);
      if (to === "") aliases.delete(name);
      else aliases.set(name, { name: to, from: path });
    }
    if (root.any("unqualified-search-registries") !== undefined) searches = root.texts("unqualified-search-registries");
  }
  const byLength = [...entries.values()].sort((a, b) => b.prefix.length - a.prefix.length);
  return {
    routes: (host, repo) => {
      const name = `${host}/${repo}`;
      for (const entry of byLength) {
        const matched = matchedPart(entry.prefix, host, name);
        if (matched !== undefined) return routesOf(entry, matched, host, name, repo);
      }
      return undefined;
    },
    aliases,
    searches,
  };
}

function addEntry(entries: Map<string, Entry>, table: Table, path: string): void {
  const fields = new Fields(table, path, "registry.");
  const prefix = withoutSlash(fields.text("prefix") || fields.text("location"), path);
  if (!prefix) throw invalidConfig(path, "a [[registry]] needs a prefix or a location");
  const entry: Entry = { prefix, fields, from: path };
  const other = entries.get(prefix);
  // A later file replaces the entry; within one file it would be unclear which of the two counts.
  if (other?.from === path && rules(other) !== rules(entry)) {
    throw invalidConfig(path, `there are two different [[registry]] for ${prefix}; remove one of them`);
  }
  entries.set(prefix, entry);
}

const rules = ({ fields }: Entry): string =>
  JSON.stringify([fields.flag("blocked"), fields.flag("insecure"), fields.text("location")]);

/** A host, or a host and a path, without a slash at its end. */
function withoutSlash(text: string | undefined, path: string): string {
  if (text?.includes("://"))
    throw invalidConfig(path, `${JSON.stringify(text)} must be a host or a name below one, without a scheme`);
  return (text ?? "").replace(/\/+$/, "");
}

/** The part of a name that matches a prefix: the prefix itself, or, for `*.example`, the host. */
function matchedPart(prefix: string, host: string, name: string): string | undefined {
  if (prefix.startsWith("*.")) return host.replace(/:\d+$/, "").endsWith(prefix.slice(1)) ? host : undefined;
  return name === prefix || name.startsWith(`${prefix}/`) ? prefix : undefined;
}

function locationOf(location: string, rest: string, path: string): Pick<Endpoint, "host" | "repo"> {
  try {
    return rewritten(location, rest);
  } catch (error) {
    throw invalidConfig(path, `${location}${rest} is not the name of a repository (${messageOf(error)})`);
  }
}

function routesOf(entry: Entry, matched: string, host: string, name: string, repo: RepoName): Routes {
  const { fields, from } = entry;
  const rest = name.slice(matched.length);
  const digestsOnly = fields.flag("mirror-by-digest-only");
  const mirrors = fields.tables("mirror").map((table): Endpoint => {
    const mirror = new Fields(table, from, "registry.mirror.");
    const location = withoutSlash(mirror.text("location"), from);
    if (!location) throw invalidConfig(from, `a mirror of ${entry.prefix} needs a location`);
    const which = mirror.text("pull-from-mirror") || "all";
    if (!["all", "digest-only", "tag-only"].includes(which)) {
      throw invalidConfig(from, "pull-from-mirror must be all, digest-only or tag-only");
    }
    const only = digestsOnly || which === "digest-only" ? "digests" : which === "tag-only" ? "tags" : undefined;
    return {
      ...locationOf(location, rest, from),
      capabilities: ["pull", "resolve"],
      mirror: true,
      only,
      insecure: mirror.flag("insecure") || undefined,
      from: [from],
    };
  });
  const location = withoutSlash(fields.text("location"), from);
  const insecure = fields.flag("insecure") || undefined;
  const itself = { host, repo, capabilities: allCapabilities, mirror: false, from: [from] };
  const moved = location && location !== matched ? locationOf(location, rest, from) : undefined;
  // Images are read from the location; pushes and lists go to the registry that the name of the image has.
  const primary: Endpoint[] = moved
    ? [
        // `insecure` applies to the location, and not to the registry that it stands in for.
        { ...itself, ...moved, insecure, mirror: true, final: true, capabilities: ["pull", "resolve", "referrers"] },
        { ...itself, capabilities: ["push", "list"] },
      ]
    : [{ ...itself, insecure }];
  return { endpoints: [...mirrors, ...primary], blockedBy: fields.flag("blocked") ? from : undefined };
}
