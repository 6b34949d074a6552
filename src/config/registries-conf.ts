import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../base/error.ts";
import type { RepoName } from "../reference/reference.ts";
import { Fields, invalidConfig, readToml, type Table } from "./file.ts";
import { allCapabilities, type Endpoint, type Routes, rewritten } from "./routes.ts";

/** One `[[registry]]`, with the file that has it. */
interface Entry {
  readonly prefix: string;
  readonly fields: Fields;
  readonly from: string;
}

/** What podman, buildah and skopeo go by. */
export interface RegistriesConf {
  /** The entry that is for a repository, the longest prefix first. @throws CONFIG_INVALID */
  routes(host: string, repo: RepoName): Routes | undefined;
  /** What a name without a host stands for, and who says so. */
  readonly aliases: ReadonlyMap<string, { readonly name: string; readonly from: string }>;
  /** Registries that a name without a host is looked for in. */
  readonly searches: readonly string[];
}

/** The files that are read, in order: CONTAINERS_REGISTRIES_CONF, or that of the user, or that of the system; and what is beside it. */
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
      throw invalidConfig(path, "it is in the format of version 1, [registries]; write it as [[registry]]");
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
  const prefix = place(fields.text("prefix") || fields.text("location"), path);
  if (!prefix) throw invalidConfig(path, "a [[registry]] needs a prefix or a location");
  const entry: Entry = { prefix, fields, from: path };
  const other = entries.get(prefix);
  // A later file may say it anew; one that says it twice would leave open what counts.
  if (other?.from === path && rules(other) !== rules(entry)) {
    throw invalidConfig(path, `there are two [[registry]] for ${prefix} that say different things`);
  }
  entries.set(prefix, entry);
}

const rules = ({ fields }: Entry): string =>
  JSON.stringify([fields.flag("blocked"), fields.flag("insecure"), fields.text("location")]);

/** A host, or what lies below one, without a slash at its end. */
function place(text: string | undefined, path: string): string {
  if (text?.includes("://"))
    throw invalidConfig(path, `${JSON.stringify(text)} must be a host or a name below one, without a scheme`);
  return (text ?? "").replace(/\/+$/, "");
}

/** The part of a name that a prefix stands for: up to a `/`, or, for `*.host`, the whole host. */
function matchedPart(prefix: string, host: string, name: string): string | undefined {
  if (prefix.startsWith("*.")) return host.replace(/:\d+$/, "").endsWith(prefix.slice(1)) ? host : undefined;
  return name === prefix || name.startsWith(`${prefix}/`) ? prefix : undefined;
}

function at(location: string, rest: string, path: string): ReturnType<typeof rewritten> {
  try {
    return rewritten(location, rest);
  } catch (error) {
    throw invalidConfig(path, `${location}${rest} is no name of a repository (${messageOf(error)})`);
  }
}

function routesOf(entry: Entry, matched: string, host: string, name: string, repo: RepoName): Routes {
  const { fields, from } = entry;
  const rest = name.slice(matched.length);
  const digestsOnly = fields.flag("mirror-by-digest-only");
  const mirrors = fields.tables("mirror").map((table): Endpoint => {
    const mirror = new Fields(table, from, "registry.mirror.");
    const location = place(mirror.text("location"), from);
    if (!location) throw invalidConfig(from, `a mirror of ${entry.prefix} needs a location`);
    const which = mirror.text("pull-from-mirror") || "all";
    if (!["all", "digest-only", "tag-only"].includes(which)) {
      throw invalidConfig(from, "pull-from-mirror must be all, digest-only or tag-only");
    }
    const only = digestsOnly || which === "digest-only" ? "digests" : which === "tag-only" ? "tags" : undefined;
    return {
      ...at(location, rest, from),
      capabilities: ["pull", "resolve"],
      mirror: true,
      ...(only && { only }),
      ...(mirror.flag("insecure") && { insecure: true }),
      from: [from],
    };
  });
  const location = place(fields.text("location"), from);
  const insecure = fields.flag("insecure") && { insecure: true };
  const itself = { host, repo, capabilities: allCapabilities, mirror: false, from: [from] };
  const moved = location && location !== matched ? at(location, rest, from) : undefined;
  // Reading one image goes where the location says; what is written or listed goes where its name says.
  const primary: Endpoint[] = moved
    ? [
        // What is said of the location is not said of the registry that it stands in for.
        { ...itself, ...moved, ...insecure, mirror: true, final: true, capabilities: ["pull", "resolve", "referrers"] },
        { ...itself, capabilities: ["push", "list"] },
      ]
    : [{ ...itself, ...insecure }];
  return { endpoints: [...mirrors, ...primary], ...(fields.flag("blocked") && { blockedBy: from }) };
}
