import { GantryError } from "../base/error.ts";
import { parseRef } from "../reference/reference.ts";
import { readRegistriesConf } from "./registries-conf.ts";

/**
 * What a name without a host stands for by podman's `registries.conf`: its alias, else the one registry that such names
 * are looked for in. Names with a host, and those that nothing is said of, stay as they are.
 * @throws USAGE where several registries come into question, CONFIG_INVALID
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
      `${text}: registries.conf looks for names without a host in ${searches.join(", ")}; name the one that is meant`,
    );
  }
  const found = alias ?? (only === undefined ? undefined : `${only}/${name}`);
  if (found === undefined) return text;
  parseRef(found);
  return `${found}${rest}`;
}

/** Whether the first part of a name is a host, by the same rule as in references. */
function hasHost(name: string): boolean {
  return (
    parseRef(name).host !== "docker.io" || name.startsWith("docker.io/") || /^[^/]*\.docker\.(?:io|com)\//.test(name)
  );
}
