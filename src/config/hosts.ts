import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { RepoName } from "../reference/reference.ts";
import { certificateDirectories, certificatesFor } from "./certs-d.ts";
import { invalidConfig } from "./file.ts";
import { containerdEndpoints } from "./hosts-toml.ts";
import { hubProxyEndpoints } from "./hub-proxy.ts";
import { type RegistriesConf, readRegistriesConf } from "./registries-conf.ts";
import { directEndpoint, type Endpoint, type RouteSource, type Routes } from "./routes.ts";

/**
 * How this machine reaches registries. The first that speaks of a host decides: for Docker Hub the proxy that the
 * environment names; containerd's `hosts.toml`, below GANTRY_HOSTS_DIR or /etc/containerd/certs.d; podman's
 * `registries.conf`, whose `blocked` holds in any case. To each endpoint the certificates are added that Docker's and podman's `certs.d` have for it.
 */
export function userHosts(env: NodeJS.ProcessEnv = process.env): RouteSource {
  let conf: Promise<RegistriesConf> | undefined;
  return {
    async routes(host, repo) {
      conf ??= readRegistriesConf(env);
      const routes = await find(host, repo, env, conf);
      const endpoints = await Promise.all(routes.endpoints.map((endpoint) => withCertificates(endpoint, env)));
      return { ...routes, endpoints };
    },
  };
}

async function find(
  host: string,
  repo: RepoName,
  env: NodeJS.ProcessEnv,
  conf: Promise<RegistriesConf>,
): Promise<Routes> {
  const said = (await conf).routes(host, repo);
  // What is forbidden stays so, whoever else speaks of the host.
  const blocked = said?.blockedBy ? { blockedBy: said.blockedBy } : {};
  const proxied = host === "docker.io" ? hubProxyEndpoints(repo, env) : undefined;
  if (proxied) return { endpoints: proxied, ...blocked };
  const root = env["GANTRY_HOSTS_DIR"] || join("/etc/containerd", "certs.d");
  if (env["GANTRY_HOSTS_DIR"] && !(await stat(root).catch(() => undefined))?.isDirectory()) {
    throw invalidConfig(root, "GANTRY_HOSTS_DIR names it, but there is no such directory");
  }
  const containerd = await containerdEndpoints(root, host, repo);
  if (containerd) return { endpoints: containerd, ...blocked };
  return said ?? { endpoints: [directEndpoint(host, repo)] };
}

async function withCertificates(endpoint: Endpoint, env: NodeJS.ProcessEnv): Promise<Endpoint> {
  const { from, ...found } = await certificatesFor(certificateDirectories(endpoint.url?.host ?? endpoint.host, env));
  return { ...found, ...endpoint, from: [...endpoint.from, ...from] };
}
