import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { invalidConfig } from "./file.ts";
import type { Endpoint } from "./routes.ts";

/** The certificates in a directory. */
export type Certificates = Pick<Endpoint, "caFiles" | "clientCertificate">;

/** The directories in which podman and Docker look for the certificates of a host, best first. */
export function certificateDirectories(host: string, env: NodeJS.ProcessEnv = process.env): readonly string[] {
  const home = env["XDG_CONFIG_HOME"] || join(homedir(), ".config");
  return [
    join(home, "containers/certs.d"),
    join(home, "docker/certs.d"),
    "/etc/containers/certs.d",
    "/etc/docker/certs.d",
  ].map((directory) => join(directory, host));
}

/**
 * The certificates of a directory: each `*.crt` is trusted; `NAME.cert` with `NAME.key` is the client certificate, the
 * first by name where there are several.
 * @returns undefined where there is no such directory
 * @throws CONFIG_INVALID for a certificate without its key, and a key without its certificate
 */
export async function certificatesIn(directory: string): Promise<Certificates | undefined> {
  const names = (await readdir(directory).catch(() => undefined))?.sort();
  if (!names) return undefined;
  const caFiles = names.filter((name) => name.endsWith(".crt")).map((name) => join(directory, name));
  const pairs = names.filter((name) => name.endsWith(".cert")).map((name) => name.slice(0, -".cert".length));
  for (const name of pairs) {
    if (!names.includes(`${name}.key`)) throw invalidConfig(join(directory, `${name}.cert`), "its .key is missing");
  }
  const lonely = names.find((name) => name.endsWith(".key") && !pairs.includes(name.slice(0, -".key".length)));
  if (lonely) throw invalidConfig(join(directory, lonely), "its .cert is missing");
  const [first] = pairs;
  const pair = (name: string) => ({ cert: join(directory, `${name}.cert`), key: join(directory, `${name}.key`) });
  return {
    caFiles: caFiles.length > 0 ? caFiles : undefined,
    clientCertificate: first === undefined ? undefined : pair(first),
  };
}

/** The certificates of the first of these directories that exists. */
export async function certificatesFor(
  directories: readonly string[],
): Promise<Certificates & { readonly from: readonly string[] }> {
  for (const directory of directories) {
    const found = await certificatesIn(directory);
    if (found) return { ...found, from: found.caFiles || found.clientCertificate ? [directory] : [] };
  }
  return { from: [] };
}
