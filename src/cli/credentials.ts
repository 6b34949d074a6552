import type { CredentialSource } from "../config/credentials.ts";
import type { RouteSource } from "../config/routes.ts";

/** What the user's files and helpers know; the code that reads them is loaded when a registry asks who we are. */
export function lazyCredentials(file?: string): CredentialSource {
  return {
    async find(host, options) {
      const { userCredentials } = await import("../config/auth-file.ts");
      const env = file === undefined ? process.env : { ...process.env, REGISTRY_AUTH_FILE: file };
      return userCredentials(env).find(host, options);
    },
  };
}

/** How this machine reaches registries; the code that knows is loaded when one is asked. */
export function lazyRoutes(): RouteSource {
  let source: Promise<RouteSource> | undefined;
  return {
    async routes(host, repo) {
      source ??= import("../config/hosts.ts").then(({ userHosts }) => userHosts());
      return (await source).routes(host, repo);
    },
  };
}
