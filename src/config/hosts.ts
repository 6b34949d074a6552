import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Once } from "../base/once.ts";
import type { RepoName } from "../reference/reference.ts";
import { certificateDirectories, certificatesFor } from "./certs-d.ts";
import { invalidConfig } from "./file.ts";
import { containerdEndpoints } from "./hosts-toml.ts";
import { hubProxyEndpoints } from "./hub-proxy.ts";
import { type RegistriesConf, readRegistriesConf } from "./registries-conf.ts";
import { directEndpoint, type Endpoint, type RouteSource, type Routes } from "./routes.ts";

/**
 * How this machine reaches registries. The first source that mentions a host decides: for Docker Hub the proxy that the
 * environment names; containerd's `hosts.toml`, below GANTRY_HOSTS_DIR or /etc/containerd/certs.d; podman's
 * `registries.conf`. `blocked` in `registries.conf` always counts. Each endpoint gets the certificates for its host in
 * the `certs.d` of Docker and podman.
 */
export function userHosts(env: NodeJS.ProcessEnv = process.env): RouteSource {
  const conf = new Once(() => readRegistriesConf(env));
  return {
    async routes(host, repo) {
      const routes = await find(host, repo, env, await conf.get());
      const endpoints = await Promise.all(routes.endpoints.map((endpoint) => withCertificates(endpoint, env)));
      return { ...routes, endpoints };
    },
  };
}

async function find(host: string, repo: RepoName, env: NodeJS.ProcessEnv, conf: RegistriesConf): Promise<Routes> {
  const configured = conf.routes(host, repo);
  const blockedBy = configured?.blockedBy;
  const proxied = host === "docker.io" ? hubProxyEndpoints(repo, env) : undefined;
  if (proxied) return { endpoints: proxied, blockedBy };
  const root = env["GANTRY_HOSTS_DIR"] || join("/etc/containerd", "certs.d");
  if (env["GANTRY_HOSTS_DIR"] && !(await stat(root).catch(() => undefined))?.isDirectory()) {
    throw invalidConfig(root, "GANTRY_HOSTS_DIR names it, but there is no such directory");
  }
  const containerd = await containerdEndpoints(root, host, repo);
  if (containerd) return { endpoints: containerd, blockedBy };
  return configured ?? { endpoints: [directEndpoint(host, repo)] };
}

async function withCertificates(endpoint: Endpoint, env: NodeJS.ProcessEnv): Promise<Endpoint> {
  const { from, ...found } = await certificatesFor(certificateDirectories(endpoint.url?.host ?? endpoint.host, env));
  return {
    ...endpoint,
    caFiles: endpoint.caFiles ?? found.caFiles,
    clientCertificate: endpoint.clientCertificate ?? found.clientCertificate,
    from: [...endpoint.from, ...from],
  };
}
