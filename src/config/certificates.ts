import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { GantryError, messageOf } from "../base/error.ts";
import { readSmallFile } from "../sys/regular-file.ts";

/** The files in which systems keep all certificates that they trust. */
const systemBundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const MAX_FILE = 16 << 20;
const certificate = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/**
 * The certificates of a file, or of all files of a directory but not of its subdirectories, as PEM.
 * @throws CONFIG_INVALID for a file without a certificate, or with one that is not valid
 */
export async function readCertificates(path: string): Promise<readonly string[]> {
  const paths = (await isDirectory(path)) ? await filesOf(path) : [path];
  if (paths.length > 0) return (await Promise.all(paths.map(certificatesOfFile))).flat();
  throw new GantryError("CONFIG_INVALID", `the certificates in ${path} cannot be used: the directory is empty`);
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

async function filesOf(directory: string): Promise<readonly string[]> {
  const paths = (await readdir(directory)).sort().map((name) => join(directory, name));
  const skipped = await Promise.all(paths.map(isDirectory));
  return paths.filter((_path, at) => !skipped[at]);
}

async function certificatesOfFile(path: string): Promise<readonly string[]> {
  try {
    const text = await readText(path);
    if (text === undefined) throw new Error("there is no such file");
    const found = text.match(certificate) ?? [];
    if (found.length === 0) throw new Error("there are none; expected PEM, with -----BEGIN CERTIFICATE-----");
    for (const pem of found) new X509Certificate(pem);
    return found;
  } catch (error) {
    throw new GantryError("CONFIG_INVALID", `the certificates in ${path} cannot be used: ${messageOf(error)}`);
  }
}

/** The text of a file of certificates or keys; undefined where there is no file. */
async function readText(path: string): Promise<string | undefined> {
  return (await readSmallFile(path, { limit: MAX_FILE, follow: true }))?.toString("latin1");
}

/** A file or directory of certificates, and the variable that names it. */
export interface EnvironmentRoot {
  readonly variable: "SSL_CERT_FILE" | "SSL_CERT_DIR";
  readonly path: string;
}

/** The existing files and directories that OpenSSL's variables name. Missing ones are ignored, as by OpenSSL. */
export function environmentRoots(env: NodeJS.ProcessEnv = process.env): readonly EnvironmentRoot[] {
  const named = (variable: EnvironmentRoot["variable"], paths: readonly string[]): EnvironmentRoot[] =>
    paths.filter((path) => path !== "" && existsSync(path)).map((path) => ({ variable, path }));
  return [
    ...named("SSL_CERT_FILE", [env["SSL_CERT_FILE"] ?? ""]),
    ...named("SSL_CERT_DIR", (env["SSL_CERT_DIR"] ?? "").split(delimiter)),
  ];
}

/** @throws CONFIG_INVALID for a file that cannot be used; in a directory, files without a certificate are ignored */
async function certificatesOfRoot({ variable, path }: EnvironmentRoot): Promise<readonly string[]> {
  if (variable === "SSL_CERT_FILE") return certificatesOfFile(path);
  const files = await filesOf(path).catch(() => []);
  // A directory often has a bundle in addition to the files that it was made of.
  const found = new Set((await Promise.all(files.map(readIfPresent))).flat());
  return [...found].filter(isCertificate);
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem) !== undefined;
  } catch {
    return false;
  }
}

/**
 * The roots to trust: those of Node and of this system, those in NODE_EXTRA_CA_CERTS, SSL_CERT_FILE and SSL_CERT_DIR, and
 * those in `files`.
 * @throws CONFIG_INVALID
 */
export async function trustedCertificates(files: readonly string[]): Promise<readonly string[]> {
  const { rootCertificates } = await import("node:tls");
  const extra = process.env["NODE_EXTRA_CA_CERTS"];
  const bundles = await Promise.all([...(extra ? [extra] : []), ...systemBundles].map((path) => readIfPresent(path)));
  const own = await Promise.all(files.map((path) => readCertificates(path)));
  const named = await Promise.all(environmentRoots().map(certificatesOfRoot));
  return [...new Set([...rootCertificates, ...bundles.flat(), ...named.flat(), ...own.flat()])];
}

/** The certificates of a file of the system. A file that cannot be read is ignored: it is not configured for gantry. */
async function readIfPresent(path: string): Promise<readonly string[]> {
  return (await readText(path).catch(() => undefined))?.match(certificate) ?? [];
}

/** The client certificate and its key, as PEM. @throws CONFIG_INVALID where a file cannot be read */
export async function readClientCertificate(paths: {
  readonly cert: string;
  readonly key: string;
}): Promise<{ readonly cert: string; readonly key: string }> {
  const read = async (path: string): Promise<string> => {
    try {
      const text = await readText(path);
      if (text === undefined) throw new Error("there is no such file");
      return text;
    } catch (error) {
      throw new GantryError("CONFIG_INVALID", `the client certificate ${path} cannot be read: ${messageOf(error)}`);
    }
  };
  const [cert, key] = await Promise.all([read(paths.cert), read(paths.key)]);
  return { cert, key };
}
