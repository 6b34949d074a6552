import { existsSync } from "node:fs";
import { GantryError } from "../base/error.ts";
import type { Certificates } from "../config/certs-d.ts";
import type { CredentialSource } from "../config/credentials.ts";
import type { RouteSource } from "../config/routes.ts";
import type { TlsOptions } from "../transport/tls.ts";

/** What the user's files and helpers know; the code that reads them is loaded when a registry asks who we are. */
export function lazyCredentials(file?: string): CredentialSource {
  return {
    identity: JSON.stringify(["credentials of the command", file]),
    async find(host, options) {
      const { userCredentials } = await import("../config/user-credentials.ts");
      if (file !== undefined && !existsSync(file)) {
        throw new GantryError("CONFIG_INVALID", `--auth-file ${file}: there is no such file`);
      }
      const env = file === undefined ? process.env : { ...process.env, REGISTRY_AUTH_FILE: file };
      return userCredentials(env).find(host, options);
    },
  };
}

/** How this machine reaches registries; the code that knows is loaded when one is asked. */
export function lazyRoutes(): RouteSource {
  let source: Promise<RouteSource> | undefined;
  return {
    async routes(host, repo) {
      source ??= import("../config/hosts.ts").then(({ userHosts }) => userHosts());
      return (await source).routes(host, repo);
    },
  };
}

/** What a directory of certificates says. @throws CONFIG_INVALID where there is none */
export async function certificatesOf(directory: string): Promise<Certificates> {
  const { certificatesIn } = await import("../config/certs-d.ts");
  const found = await certificatesIn(directory);
  if (found) return found;
  throw new GantryError("CONFIG_INVALID", `--cert-dir ${directory}: there is no such directory`);
}

/** The certificates of a directory, if there is one; the code that reads them is loaded when TLS is spoken. */
export function lazyCertificates(directory: string | undefined): Pick<TlsOptions, "ca" | "clientCertificate"> {
  if (directory === undefined) return {};
  const find = () => certificatesOf(directory);
  return {
    async ca() {
      const { caFiles } = await find();
      if (!caFiles) return undefined;
      return (await import("../config/certificates.ts")).trustedCertificates(caFiles);
    },
    async clientCertificate() {
      const { clientCertificate } = await find();
      return clientCertificate && (await import("../config/certificates.ts")).readClientCertificate(clientCertificate);
    },
  };
}
