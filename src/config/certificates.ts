import { X509Certificate } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { GantryError, messageOf } from "../base/error.ts";
import { readSmallFile } from "../sys/regular-file.ts";

/** Where systems keep the certificates that they trust, as one file. */
const systemBundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const MAX_FILE = 16 << 20;
const certificate = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/**
 * The certificates of a file, or of all files right in a directory, as PEM.
 * @throws CONFIG_INVALID for a file without a certificate, or with one that is none
 */
export async function readCertificates(path: string): Promise<readonly string[]> {
  const paths = (await isDirectory(path)) ? await filesOf(path) : [path];
  if (paths.length > 0) return (await Promise.all(paths.map(certificatesOfFile))).flat();
  throw new GantryError("CONFIG_INVALID", `the certificates in ${path} cannot be used: there are no files in it`);
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
    if (found.length === 0) throw new Error("there is none; expected PEM, with -----BEGIN CERTIFICATE-----");
    for (const pem of found) new X509Certificate(pem);
    return found;
  } catch (error) {
    throw new GantryError("CONFIG_INVALID", `the certificates in ${path} cannot be used: ${messageOf(error)}`);
  }
}

/** The text of a file of certificates or keys; undefined where there is none. */
async function readText(path: string): Promise<string | undefined> {
  return (await readSmallFile(path, { limit: MAX_FILE, follow: true }))?.toString("latin1");
}

/** Whom to trust: whom Node and this system trust, NODE_EXTRA_CA_CERTS, and what `files` hold. */
export async function trustedCertificates(files: readonly string[]): Promise<readonly string[]> {
  const { rootCertificates } = await import("node:tls");
  const extra = process.env["NODE_EXTRA_CA_CERTS"];
  const bundles = await Promise.all([...(extra ? [extra] : []), ...systemBundles].map((path) => readIfThere(path)));
  const own = await Promise.all(files.map((path) => readCertificates(path)));
  return [...rootCertificates, ...bundles.flat(), ...own.flat()];
}

/** What the system has; what is wrong there is not the user's fault here. */
async function readIfThere(path: string): Promise<readonly string[]> {
  return (await readText(path).catch(() => undefined))?.match(certificate) ?? [];
}

/** The certificate that says who we are, and its key. @throws CONFIG_INVALID where a file cannot be read */
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
