import { randomUUID } from "node:crypto";
import { mkdir, realpath, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { GantryError, isGantryError, messageOf } from "../base/error.ts";
import { isObject } from "../spec/schema.ts";
import { withLock } from "../sys/lock.ts";
import { readSmallFile } from "../sys/regular-file.ts";
import {
  type Credential,
  type CredentialSource,
  HUB_SERVER,
  helperServer,
  isAddressOf,
  secretFault,
  serverKeys,
  tokenFault,
  usernameFault,
} from "./credentials.ts";
import { invalidConfig } from "./file.ts";
import { askHelper, eraseInHelper, isHelperName, storeInHelper } from "./helper.ts";

type Config = Record<string, unknown>;

const MAX_CONFIG = 1 << 20;

/** Docker's file of credentials: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
export function dockerConfigFile(env: NodeJS.ProcessEnv = process.env): string {
  return join(env["DOCKER_CONFIG"] || join(homedir(), ".docker"), "config.json");
}

/** The files that are read, first to last: the one that podman is told to use, Docker's, podman's own two. */
export function authFiles(env: NodeJS.ProcessEnv = process.env): readonly string[] {
  if (env["REGISTRY_AUTH_FILE"]) return [env["REGISTRY_AUTH_FILE"]];
  const runtime = env["XDG_RUNTIME_DIR"];
  return [
    dockerConfigFile(env),
    ...(runtime ? [join(runtime, "containers", "auth.json")] : []),
    join(env["XDG_CONFIG_HOME"] || join(homedir(), ".config"), "containers", "auth.json"),
  ];
}

/** @throws CONFIG_INVALID for a file that is there and cannot be understood */
async function readConfig(
  path: string,
  options: { readonly toWrite?: boolean | undefined } = {},
): Promise<Config | undefined> {
  const invalid = (why: string): GantryError =>
    new GantryError(
      "CONFIG_INVALID",
      `${path} cannot be used: ${why}; mend it, or name another${path === dockerConfigFile() ? " directory with DOCKER_CONFIG" : ""}`,
    );
  let text: string;
  try {
    const bytes = await readSmallFile(path, { limit: MAX_CONFIG, follow: true });
    if (!bytes) return undefined;
    text = bytes.toString("utf8");
  } catch (error) {
    // What we may not read is not ours to use, but it is not empty either.
    if (isGantryError(error) && error.details["errno"] === "EACCES" && !options.toWrite) return undefined;
    throw isGantryError(error, "NOT_REGULAR_FILE", "LIMIT_EXCEEDED") ? invalid(messageOf(error)) : error;
  }
  let value: unknown;
  try {
    value = text.trim() === "" ? {} : JSON.parse(text);
  } catch {
    // Not what the parser says: it quotes what it read.
    throw invalid("it is not valid JSON");
  }
  if (!isObject(value)) throw invalid("it is no JSON object");
  return value;
}

const objectOf = (value: unknown): Config => (isObject(value) ? value : {});

/** The helper that a file names for a host: its own, else the one for all. @throws CONFIG_INVALID */
function helperOf(config: Config, host: string, path: string): string | undefined {
  const helpers = objectOf(config["credHelpers"]);
  // An empty one says: for this host the file itself.
  const own = serverKeys(host).find((key) => typeof helpers[key] === "string");
  const name = own === undefined ? config["credsStore"] : helpers[own];
  if (typeof name !== "string" || name === "") return undefined;
  if (isHelperName(name)) return name;
  const field = own === undefined ? "credsStore" : `credHelpers.${JSON.stringify(own)}`;
  throw invalidConfig(
    path,
    `${field} names the credential helper ${shortened(name)}; such a name has letters, digits and hyphens, and at most 200 of them`,
  );
}

const shortened = (name: string): string => JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}...` : name);

/** The keys to look under, best first: podman's for a repository and what it lies below, then the host's. */
function keysFor(host: string, repository = ""): readonly string[] {
  const parts = repository === "" ? [] : repository.split("/");
  const below = parts.map((_, at) => `${host}/${parts.slice(0, parts.length - at).join("/")}`);
  return [...below, ...serverKeys(host)];
}

/**
 * What an entry of `auths` holds; undefined for one that is empty, as where a helper keeps the secret.
 * @throws CONFIG_INVALID for what no request can carry
 */
function credentialOf(entry: unknown, key: string, path: string): Credential | undefined {
  const sendable = <T>(field: string, value: T, fault: string | undefined): T => {
    if (fault === undefined) return value;
    throw invalidConfig(path, `auths.${JSON.stringify(key)}.${field} ${fault}; log in again with \`gantry login\``);
  };
  const { auth, username, password, identitytoken, registrytoken } = objectOf(entry) as Record<string, unknown>;
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  const [registry, identity] = [text(registrytoken), text(identitytoken)];
  if (registry) {
    return { kind: "registry", token: sendable("registrytoken", registry, tokenFault(registry)), from: path };
  }
  if (identity) {
    return { kind: "identity", token: sendable("identitytoken", identity, secretFault(identity)), from: path };
  }
  const decoded = Buffer.from(text(auth), "base64").toString("utf8").replace(/\0+$/, "");
  const colon = decoded.indexOf(":");
  if (colon > 0) {
    sendable("auth", decoded, secretFault(decoded));
    return { kind: "password", username: decoded.slice(0, colon), password: decoded.slice(colon + 1), from: path };
  }
  if (!text(username)) return undefined;
  return {
    kind: "password",
    username: sendable("username", text(username), usernameFault(text(username))),
    password: sendable("password", text(password), secretFault(text(password))),
    from: path,
  };
}

/** What Docker's and podman's files know, and the helpers that they name. Files are read when they are asked. */
export function userCredentials(env: NodeJS.ProcessEnv = process.env): CredentialSource {
  return {
    get identity() {
      return JSON.stringify(["credentials", ...authFiles(env)]);
    },
    async find(host, options = {}) {
      for (const path of authFiles(env)) {
        const config = await readConfig(path);
        if (!config) continue;
        const helper = helperOf(config, host, path);
        const told = helper && (await askHelper(helper, helperServer(host), options.signal));
        if (told) return told;
        const auths = objectOf(config["auths"]);
        const others = Object.keys(auths).filter((key) => isAddressOf(key, host));
        for (const key of [...keysFor(host, options.repository), ...others]) {
          const found = Object.hasOwn(auths, key) ? credentialOf(auths[key], key, path) : undefined;
          if (found) return found;
        }
      }
      return undefined;
    },
  };
}

/** Where `login` keeps things, and what it found out: a helper, or the file itself. */
export interface Kept {
  readonly where: string;
  /** True where the password lies in a file, encoded and not encrypted. */
  readonly plain: boolean;
}

/** Keeps a password for a host: in the helper that the file names, else in the file. */
export async function saveLogin(
  path: string,
  host: string,
  login: { readonly username: string; readonly password: string },
): Promise<Kept> {
  const helper = helperOf((await readConfig(path, { toWrite: true })) ?? {}, host, path);
  const key = helperServer(host) === HUB_SERVER ? HUB_SERVER : host;
  if (helper) await storeInHelper(helper, helperServer(host), login.username, login.password);
  await changeAuths(path, (auths) => {
    for (const old of keysOf(auths, host)) delete auths[old];
    // As Docker does: an empty entry says that a helper has one.
    auths[key] = helper ? {} : { auth: Buffer.from(`${login.username}:${login.password}`).toString("base64") };
  });
  return helper ? { where: `docker-credential-${helper}`, plain: false } : { where: path, plain: true };
}

/** Forgets a host, under each of its names. @returns whether there was anything to forget */
export async function removeLogin(path: string, host: string): Promise<boolean> {
  const config = await readConfig(path, { toWrite: true });
  if (!config) return false;
  const helper = helperOf(config, host, path);
  const known = helper ? await askHelper(helper, helperServer(host)).catch(() => undefined) : undefined;
  if (helper) await eraseInHelper(helper, helperServer(host));
  const keys = keysOf(objectOf(config["auths"]), host);
  if (keys.length > 0) {
    await changeAuths(path, (auths) => {
      for (const key of keys) delete auths[key];
    });
  }
  return known !== undefined || keys.length > 0;
}

/** The keys of entries that are a host's, however they are written. */
function keysOf(auths: Config, host: string): readonly string[] {
  const known = serverKeys(host);
  return Object.keys(auths).filter((key) => known.includes(key) || isAddressOf(key, host));
}

/** Changes the entries of a file, one process at a time. */
async function changeAuths(path: string, change: (auths: Config) => void): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await withLock(`${path}.lock`, async () => {
    const config = (await readConfig(path, { toWrite: true })) ?? {};
    const auths = { ...objectOf(config["auths"]) };
    change(auths);
    await writeConfig(path, { ...config, auths });
  });
}

/** The file anew, whole or not at all, for its owner alone; where it is a link, what that leads to. */
async function writeConfig(path: string, config: Config): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const temporary = `${target}.${randomUUID()}`;
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await writeFile(temporary, `${JSON.stringify(config, null, "\t")}\n`, { mode: 0o600, flag: "wx" });
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new GantryError("FILE_SYSTEM", `writing ${target}: ${messageOf(error)}`, { cause: error });
  }
}
