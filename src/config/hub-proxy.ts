import { GantryError } from "../base/error.ts";
import type { RepoName } from "../reference/reference.ts";
import { directEndpoint, type Endpoint } from "./routes.ts";

/**
 * The endpoints of Docker Hub behind the proxy that DOCKERHUB_PUBLIC_PROXY (a URL) or DOCKERHUB_PUBLIC_PROXY_HOST names.
 * All reads and lists go to the proxy, whose answer is final; pushes and deletes go to Docker Hub.
 * @returns undefined where neither variable is set
 * @throws CONFIG_INVALID for an address without a host, with a path, or that is neither http nor https
 */
export function hubProxyEndpoints(repo: RepoName, env: NodeJS.ProcessEnv): readonly Endpoint[] | undefined {
  const variable = env["DOCKERHUB_PUBLIC_PROXY"] ? "DOCKERHUB_PUBLIC_PROXY" : "DOCKERHUB_PUBLIC_PROXY_HOST";
  const value = env[variable];
  if (!value) return undefined;
  const url = proxyUrl(variable === "DOCKERHUB_PUBLIC_PROXY" ? value : `https://${value}`, variable);
  url.pathname = "/v2/";
  return [
    {
      url,
      host: url.host,
      repo,
      capabilities: ["pull", "resolve", "referrers", "list"],
      mirror: true,
      final: true,
      from: [variable],
    },
    { ...directEndpoint("docker.io", repo), capabilities: ["push"] },
  ];
}

function proxyUrl(value: string, variable: string): URL {
  const refuse = (why: string): never => {
    const expected = variable.endsWith("_HOST") ? "proxy.example:5000" : "https://proxy.example";
    throw new GantryError("CONFIG_INVALID", `${variable} ${why}; expected something like ${expected}`);
  };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(value)?.[1]?.toLowerCase() ?? "";
  if (scheme !== "" && scheme !== "http" && scheme !== "https")
    refuse(`has the unknown scheme ${JSON.stringify(scheme)}`);
  const rest = scheme === "" ? value.replace(/^\/\//, "") : value.slice(scheme.length + 3);
  if (scheme === "" && !value.startsWith("//")) refuse("has no host");
  if (rest === "" || rest.startsWith("/")) refuse("has no host");
  const text = `${scheme || "https"}://${rest}`;
  if (!URL.canParse(text)) refuse("has no host");
  const url = new URL(text);
  if (url.pathname !== "/") refuse("has a path");
  if (url.username || url.password || url.search || url.hash) refuse("has more than a scheme and a host");
  return url;
}
