import { lstat } from "node:fs/promises";
import { validateHeaderName, validateHeaderValue } from "node:http";
import { isAbsolute, join, posix } from "node:path";
import { apiHost, type RepoName } from "../reference/reference.ts";
import { certificatesIn } from "./certs-d.ts";
import { Fields } from "./fields.ts";
import { invalidConfig, readToml, type Table } from "./file.ts";
import { type Capability, directEndpoint, type Endpoint } from "./routes.ts";

const capabilities: readonly Capability[] = ["pull", "resolve", "push", "referrers"];
/** The capabilities of a mirror for which none are configured. A mirror gets pushes only where `push` is configured. */
const mirrorDefault: readonly Capability[] = ["pull", "resolve", "referrers"];

/**
 * The endpoints that containerd's `certs.d` configures for a host: by the `hosts.toml`, or by the certificates alone, of
 * the first directory that exists of `host_PORT_`, `host:PORT` and `_default`.
 * @see containerd docs/hosts.md
 * @returns undefined where nothing is configured for the host
 * @throws CONFIG_INVALID
 */
export async function containerdEndpoints(
  root: string,
  host: string,
  repo: RepoName,
): Promise<readonly Endpoint[] | undefined> {
  for (const name of [host.replace(/:(\d+)$/, "_$1_"), host, "_default"]) {
    const directory = join(root, name);
    if (!(await lstat(directory).catch(() => undefined))) continue;
    const path = join(directory, "hosts.toml");
    const file = await readToml(path);
    if (file && Object.keys(file).length > 0) return fromFile(file, { path, directory, host, repo });
    const certificates = await certificatesIn(directory);
    const found = certificates?.caFiles || certificates?.clientCertificate;
    return found ? [{ ...directEndpoint(host, repo), ...certificates, from: [directory] }] : undefined;
  }
  return undefined;
}

interface Context {
  readonly path: string;
  readonly directory: string;
  readonly host: string;
  readonly repo: RepoName;
}

function fromFile(file: Table, context: Context): readonly Endpoint[] {
  const root = new Fields(file, context.path);
  const hosts = Object.entries(root.table("host")).map(([url, table]) => {
    const field = `host.${JSON.stringify(url)}`;
    if (typeof table !== "object" || table === null) throw invalidConfig(context.path, `${field} must be a table`);
    return endpoint(url, new Fields(table as Table, context.path, `${field}.`), context, "mirror");
  });
  const server = root.text("server");
  // If the file names no server, the registry itself is last, with all capabilities.
  const last = endpoint(server ?? `https://${apiHost(context.host)}`, root, context, "server");
  return [
    ...hosts,
    server === undefined ? { ...last, capabilities: directEndpoint(context.host, context.repo).capabilities } : last,
  ];
}

function endpoint(address: string, fields: Fields, context: Context, role: "mirror" | "server"): Endpoint {
  const text = /^https?:\/\//.test(address) ? address : `https://${address}`;
  if (!URL.canParse(text)) throw invalidConfig(context.path, `${JSON.stringify(address)} is not the address of a host`);
  const url = new URL(text);
  if (url.username || url.password || url.search) {
    throw invalidConfig(context.path, `the address of ${url.host} must not have a user, a password or a query`);
  }
  const path = posix.normalize(url.pathname).replace(/\/+$/, "");
  const asIs = fields.flag("override_path") || path.endsWith("/v2");
  url.pathname = `${asIs ? path : `${path}/v2`}/`;
  const own = url.host === apiHost(context.host);
  const named = fields.texts("capabilities").map((name) => name.toLowerCase());
  const unknown = named.find((name) => !(capabilities as readonly string[]).includes(name));
  if (unknown) {
    const why = `there is no capability ${JSON.stringify(unknown)}; the capabilities are ${capabilities.join(", ")}`;
    throw invalidConfig(context.path, why);
  }
  const able = named.length > 0 ? (named as Capability[]) : role === "server" || own ? capabilities : mirrorDefault;
  const caFiles = fields.texts("ca").map((name) => within(context.directory, name));
  const clientCertificate = client(fields.any("client"), context);
  const headers = Object.entries(fields.table("header")).map(([name, value]) => header(name, value, context.path));
  return {
    url,
    host: own ? context.host : url.host,
    repo: context.repo,
    capabilities: own || role === "server" ? [...able, "list"] : able,
    mirror: !own,
    skipVerify: fields.flag("skip_verify") || undefined,
    caFiles: caFiles.length > 0 ? caFiles : undefined,
    clientCertificate,
    headers: headers.length > 0 ? (Object.fromEntries(headers) as Record<string, string>) : undefined,
    namespace: own ? undefined : context.host,
    from: [context.path],
  };
}

/** @throws CONFIG_INVALID for a header that HTTP cannot carry; the message omits the value, which may be a secret */
function header(name: string, value: unknown, path: string): readonly [string, string] {
  const field = `header.${JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}...` : name)}`;
  const values: unknown[] = Array.isArray(value) ? value : [value];
  if (!values.every((item) => typeof item === "string")) {
    throw invalidConfig(path, `${field} must be a string, or a list of strings`);
  }
  const text = values.join(", ");
  try {
    validateHeaderName(name);
  } catch {
    throw invalidConfig(path, `${field} is not the name of a header`);
  }
  try {
    validateHeaderValue(name, text);
  } catch {
    throw invalidConfig(path, `${field} has a value with a line break or another character that no header may have`);
  }
  return [name.toLowerCase(), text];
}

const within = (directory: string, path: string): string => (isAbsolute(path) ? path : join(directory, path));

/** The client certificate: one file with certificate and key, or pairs of files, of which the first is used. */
function client(value: unknown, { path, directory }: Context): Endpoint["clientCertificate"] {
  if (value === undefined) return undefined;
  const first: unknown = Array.isArray(value) ? value[0] : value;
  const pair: unknown[] = Array.isArray(first) ? first : [first, first];
  const [cert, key] = pair;
  if (typeof cert !== "string" || typeof key !== "string" || pair.length > 2) {
    throw invalidConfig(path, "client must be a file, a list of files, or a list of pairs of files");
  }
  return { cert: within(directory, cert), key: within(directory, key || cert) };
}
