import { type AuthFile, authFiles, helperOf, objectOf, readAuthFile } from "./auth-file.ts";
import { type Credential, type CredentialSource, secretFault, tokenFault, usernameFault } from "./credentials.ts";
import { invalidConfig } from "./file.ts";
import { askHelper } from "./helper.ts";
import { helperServer, isAddressOf, serverKeys } from "./server-keys.ts";

/**
 * The credentials in the files of Docker and podman, and in the helpers that they name. Files are read at each call of
 * `find`, which throws CONFIG_INVALID and HELPER_FAILED.
 */
export function userCredentials(env: NodeJS.ProcessEnv = process.env): CredentialSource {
  return {
    get identity() {
      return JSON.stringify(["credentials", ...authFiles(env)]);
    },
    async find(host, options = {}) {
      for (const path of authFiles(env)) {
        const file = await readAuthFile(path);
        if (!file) continue;
        const helper = helperOf(file, host, path);
        const found = helper && (await askHelper(helper, helperServer(host), options.signal));
        if (found) return found;
        const entry = entryOf(objectOf(file["auths"]), host, options.repository, path);
        if (entry) return entry;
      }
      return undefined;
    },
  };
}

function entryOf(auths: AuthFile, host: string, repository: string | undefined, path: string): Credential | undefined {
  const others = Object.keys(auths).filter((key) => isAddressOf(key, host));
  for (const key of [...keysFor(host, repository), ...others]) {
    const found = Object.hasOwn(auths, key) ? credentialOf(auths[key], key, path) : undefined;
    if (found) return found;
  }
  return undefined;
}

/** The keys to look for, best first: those of podman for a repository and each prefix of its name, then the host's. */
function keysFor(host: string, repository = ""): readonly string[] {
  const parts = repository === "" ? [] : repository.split("/");
  const prefixes = parts.map((_, at) => `${host}/${parts.slice(0, parts.length - at).join("/")}`);
  return [...prefixes, ...serverKeys(host)];
}

/**
 * The credential in an entry of `auths`; undefined for an empty entry, which Docker writes where a helper has the secret.
 * @throws CONFIG_INVALID for a value that no request can carry
 */
function credentialOf(entry: unknown, key: string, path: string): Credential | undefined {
  const sendable = <T>(field: string, value: T, fault: string | undefined): T => {
    if (fault === undefined) return value;
    throw invalidConfig(path, `auths.${JSON.stringify(key)}.${field} ${fault}; log in again with \`gantry login\``);
  };
  const { auth, username, password, identitytoken, registrytoken } = objectOf(entry);
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
