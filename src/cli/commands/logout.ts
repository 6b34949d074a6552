import { buildCommand, type Command } from "@stricli/core";
import { logout, registryHost } from "../../verbs/login.ts";
import type { Context } from "../context.ts";
import { authFileFlag, jsonFlag } from "../flags.ts";
import { session } from "../session.ts";

export const logoutCommand: Command<Context> = buildCommand({
  docs: { brief: "Forget what is kept for a registry" },
  parameters: {
    flags: { authFile: authFileFlag, json: jsonFlag },
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
      else print(removed ? `logged out of ${host}\n` : `nothing was kept for ${host}\n`);
    });
  },
});
