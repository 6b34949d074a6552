import type { CredentialSource } from "../config/credentials.ts";

/** What the user's files and helpers know; the code that reads them is loaded when a registry asks who we are. */
export const lazyCredentials: CredentialSource = {
  async find(host, options) {
    const { userCredentials } = await import("../config/auth-file.ts");
    return userCredentials().find(host, options);
  },
};
