import { GantryError, isGantryError } from "../base/error.ts";
import { authFiles } from "../config/auth-file.ts";
import { secretFault, usernameFault } from "../config/credentials.ts";
import { removeLogin, saveLogin } from "../config/login.ts";
import { parseHost } from "../reference/reference.ts";
import { connect } from "../registry/routed/routed.ts";
import { connectOptions, type RegistryOptions, type VerbOptions } from "./options.ts";

export interface LoginOptions extends Pick<VerbOptions, "signal" | "progress" | "limits"> {
  /** `credentials` is not possible, because `username` and `password` are used. */
  readonly registry?: Omit<RegistryOptions, "credentials"> | undefined;
  readonly username: string;
  readonly password: string;
  /** The file that keeps the password or names the credential helper. Default: REGISTRY_AUTH_FILE, else Docker's. */
  readonly file?: string | undefined;
}

export interface LoginResult {
  readonly host: string;
  /** The credential helper or the file that keeps the password. */
  readonly where: string;
  /** True where the password is in a file, encoded and not encrypted. */
  readonly plain: boolean;
  /** False where the registry did not ask for the password, so it may be wrong. */
  readonly checked: boolean;
}

/** The host of a registry as references write it. A scheme and a path are dropped. @throws USAGE, INVALID_REFERENCE */
export function registryHost(text: string): string {
  if (text.includes("@")) throw new GantryError("USAGE", "name the registry alone, without a user or a password in it");
  return parseHost(text.replace(/^https?:\/\//, "").replace(/\/.*$/, "") || "docker.io");
}

/**
 * Asks a registry whether it accepts a user name and a password, and saves them if it does.
 * @throws UNAUTHORIZED, DENIED where the registry refuses them; HELPER_FAILED, CONFIG_INVALID, USAGE
 */
export async function login(registry: string, options: LoginOptions): Promise<LoginResult> {
  const { username, password, file = authFiles()[0]!, signal } = options;
  if (username === "" || password === "") throw new GantryError("USAGE", "a user name and a password are needed");
  const faults = { "user name": usernameFault(username), password: secretFault(password) };
  for (const [what, fault] of Object.entries(faults)) {
    if (fault !== undefined)
      throw new GantryError("USAGE", `the ${what} ${fault}, so no registry can be asked with it`);
  }
  const host = registryHost(registry);
  const from = "the command line";
  let checked = false;
  const credentials = {
    async find(asked: string) {
      // A password goes only to the registry that it belongs to.
      if (asked !== host) return undefined;
      checked = true;
      return { kind: "password" as const, username, password, from };
    },
  };
  const client = connect(host, { ...connectOptions(options), credentials });
  try {
    await client.ping({ signal });
  } catch (error) {
    if (!checked || !isGantryError(error, "UNAUTHORIZED", "DENIED")) throw error;
    throw new GantryError(
      error.code,
      `the registry ${host} refused this user name and password; nothing was saved (${error.details["status"]} from ${error.details["url"]})`,
      { cause: error, details: error.details },
    );
  } finally {
    await client.close();
  }
  return { host, checked, ...(await saveLogin(file, host, { username, password })) };
}

/**
 * Removes the saved credentials of a registry from every file that is read for them.
 * @returns whether there were any
 */
export async function logout(registry: string, options: { readonly file?: string | undefined } = {}): Promise<boolean> {
  let removed = false;
  for (const file of options.file === undefined ? authFiles() : [options.file]) {
    if (await removeLogin(file, registryHost(registry))) removed = true;
  }
  return removed;
}
