import { type AuthFile, changeAuths, helperOf, objectOf, readAuthFile } from "./auth-file.ts";
import { askHelper, eraseInHelper, storeInHelper } from "./helper.ts";
import { HUB_SERVER, helperServer, isAddressOf, serverKeys } from "./server-keys.ts";

/** Where a password was saved. */
export interface Kept {
  /** A helper, or the file itself. */
  readonly where: string;
  /** True where the password is in a file, encoded and not encrypted. */
  readonly plain: boolean;
}

/**
 * Saves a password for a host: in the helper that the file names, else in the file.
 * @throws CONFIG_INVALID, HELPER_FAILED, LOCK_TIMEOUT, FILE_SYSTEM, NO_SPACE
 */
export async function saveLogin(
  path: string,
  host: string,
  login: { readonly username: string; readonly password: string },
): Promise<Kept> {
  const helper = helperOf((await readAuthFile(path, { toWrite: true })) ?? {}, host, path);
  const key = helperServer(host) === HUB_SERVER ? HUB_SERVER : host;
  if (helper) await storeInHelper(helper, helperServer(host), login.username, login.password);
  await changeAuths(path, (auths) => {
    for (const old of keysOf(auths, host)) delete auths[old];
    // As Docker does: an empty entry says that a helper has the password.
    auths[key] = helper ? {} : { auth: Buffer.from(`${login.username}:${login.password}`).toString("base64") };
  });
  return helper ? { where: `docker-credential-${helper}`, plain: false } : { where: path, plain: true };
}

/** Removes the entries of a host, by any of its names, from the file and from its helper. @returns whether it had one */
export async function removeLogin(path: string, host: string): Promise<boolean> {
  const file = await readAuthFile(path, { toWrite: true });
  if (!file) return false;
  const helper = helperOf(file, host, path);
  const known = helper ? await askHelper(helper, helperServer(host)).catch(() => undefined) : undefined;
  if (helper) await eraseInHelper(helper, helperServer(host));
  const keys = keysOf(objectOf(file["auths"]), host);
  if (keys.length > 0) {
    await changeAuths(path, (auths) => {
      for (const key of keys) delete auths[key];
    });
  }
  return known !== undefined || keys.length > 0;
}

/** The keys of all entries for a host, however they are written. */
function keysOf(auths: AuthFile, host: string): readonly string[] {
  const known = serverKeys(host);
  return Object.keys(auths).filter((key) => known.includes(key) || isAddressOf(key, host));
}
