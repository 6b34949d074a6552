import { logout, registryHost } from "../../verbs/login.ts";
import { type Context, defineCommand } from "../command.ts";
import { jsonFlag, remoteFlags } from "../flags.ts";
import { session } from "../session.ts";

export const logoutCommand = defineCommand({
  details:
    "Removes the credentials from the files of Docker and podman, and from the credential helpers that they name.",
  examples: [
    ["Log out of a registry", "gantry logout registry.example"],
    ["Log out of Docker Hub", "gantry logout"],
  ],
  parameters: {
    flags: {
      authFile: remoteFlags.authFile,
      json: jsonFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "The registry (default: docker.io)", placeholder: "HOST", optional: true }],
    },
  },
  func(this: Context, flags: { readonly json: boolean; readonly authFile?: string | undefined }, registry?: string) {
    const given = registry ?? "docker.io";
    return session(this, {}, async ({ print, json }) => {
      const removed = await logout(given, { file: flags.authFile });
      const host = registryHost(given);
      if (flags.json) json({ host, removed });
      else print(removed ? `logged out of ${host}\n` : `no credentials were stored for ${host}\n`);
    });
  },
});
