import { existsSync } from "node:fs";
import { GantryError } from "../base/error.ts";
import { Once } from "../base/once.ts";
import type { Certificates } from "../config/certs-d.ts";
import type { CredentialSource } from "../config/credentials.ts";
import type { RouteSource } from "../config/routes.ts";
import type { TlsOptions } from "../transport/tls.ts";

/** Credentials from the user's files and helpers. The code that reads them is loaded when a registry asks for them. */
export function lazyCredentials(file?: string): CredentialSource {
  return {
    identity: JSON.stringify(["credentials of the command", file]),
    async find(host, options) {
      const { userCredentials } = await import("../config/user-credentials.ts");
      if (file !== undefined && !existsSync(file)) {
        throw new GantryError("CONFIG_INVALID", `--auth-file ${file}: the file does not exist`);
      }
      const env = file === undefined ? process.env : { ...process.env, REGISTRY_AUTH_FILE: file };
      return userCredentials(env).find(host, options);
    },
  };
}

/** The endpoints that this machine is configured for. The code that reads the files is loaded with the first request. */
export function lazyRoutes(): RouteSource {
  const source = new Once(async () => (await import("../config/hosts.ts")).userHosts());
  return {
    async routes(host, repo) {
      return (await source.get()).routes(host, repo);
    },
  };
}

/** The certificates of a directory. @throws CONFIG_INVALID if it does not exist */
export async function certificatesOf(directory: string): Promise<Certificates> {
  const { certificatesIn } = await import("../config/certs-d.ts");
  const found = await certificatesIn(directory);
  if (found) return found;
  throw new GantryError("CONFIG_INVALID", `--cert-dir ${directory}: the directory does not exist`);
}

/** The certificates of a directory, if one is given. The code that reads them is loaded for the first TLS connection. */
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
