import { GantryError } from "../base/error.ts";
import { parseRef } from "../reference/reference.ts";
import { readRegistriesConf } from "./registries-conf.ts";

/**
 * The full name for a name without a host, by podman's `registries.conf`: its alias, else the name in the one registry
 * that is searched. Names with a host, and names for which nothing is configured, stay unchanged.
 * @throws USAGE where several registries are searched, CONFIG_INVALID
 */
export async function resolveShortName(text: string, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const name = text.replace(/@.*$/, "").replace(/:[^:/]*$/, "");
  const rest = text.slice(name.length);
  if (name === "" || hasHost(name)) return text;
  const { aliases, searches } = await readRegistriesConf(env);
  const alias = aliases.get(name)?.name;
  const [only, ...others] = searches;
  if (alias === undefined && others.length > 0) {
    throw new GantryError(
      "USAGE",
      `${text}: registries.conf searches names without a host in ${searches.join(", ")}; write the name with its host`,
    );
  }
  const found = alias ?? (only === undefined ? undefined : `${only}/${name}`);
  if (found === undefined) return text;
  parseRef(found);
  return `${found}${rest}`;
}

/** Whether a name begins with a host, by the rule of references. */
function hasHost(name: string): boolean {
  return (
    parseRef(name).host !== "docker.io" || name.startsWith("docker.io/") || /^[^/]*\.docker\.(?:io|com)\//.test(name)
  );
}
