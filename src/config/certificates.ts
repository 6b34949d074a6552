import { X509Certificate } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, GantryError, messageOf } from "../base/error.ts";

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
 * The certificates of a file, or of all files of a directory, as PEM.
 * @throws CONFIG_INVALID for a file without a certificate, or with one that is none
 */
export async function readCertificates(path: string): Promise<readonly string[]> {
  const invalid = (at: string, why: string): GantryError =>
    new GantryError("CONFIG_INVALID", `the certificates in ${at} cannot be used: ${why}`);
  try {
    if ((await stat(path)).isDirectory()) {
      const names = (await readdir(path)).sort();
      return (await Promise.all(names.map((name) => readCertificates(join(path, name))))).flat();
    }
    const text = await readFile(path, "latin1");
    if (text.length > MAX_FILE) throw invalid(path, `the file is larger than ${MAX_FILE} bytes`);
    const found = text.match(certificate) ?? [];
    if (found.length === 0) throw invalid(path, "there is none; expected PEM, with -----BEGIN CERTIFICATE-----");
    for (const pem of found) new X509Certificate(pem);
    return found;
  } catch (error) {
    if (error instanceof GantryError) throw error;
    const code = errnoOf(error);
    throw invalid(path, code === "ENOENT" ? "there is no such file" : messageOf(error));
  }
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
  return (await readFile(path, "latin1").catch(() => "")).match(certificate) ?? [];
}

/** The certificate that says who we are, and its key. @throws CONFIG_INVALID where a file cannot be read */
export async function readClientCertificate(paths: {
  readonly cert: string;
  readonly key: string;
}): Promise<{ readonly cert: string; readonly key: string }> {
  const read = (path: string): Promise<string> =>
    readFile(path, "utf8").catch((error: unknown) => {
      throw new GantryError("CONFIG_INVALID", `the client certificate ${path} cannot be read: ${messageOf(error)}`);
    });
  const [cert, key] = await Promise.all([read(paths.cert), read(paths.key)]);
  return { cert, key };
}
