import type { Command, RouteMap } from "@stricli/core";
import type { Context } from "./context.ts";

/** Every command: its chunk is loaded when it is called, or when help is asked for. `next` is the argument after it. */
export const commands: Readonly<
  Record<string, (next: string | undefined) => Promise<Command<Context> | RouteMap<Context>>>
> = {
  pull: async () => (await import("./commands/pull.ts")).pullCommand,
  push: async () => (await import("./commands/push.ts")).pushCommand,
  cp: async () => (await import("./commands/cp.ts")).cpCommand,
  unpack: async () => (await import("./commands/unpack.ts")).unpackCommand,
  inspect: async () => (await import("./commands/inspect.ts")).inspectCommand,
  digest: async () => (await import("./commands/digest.ts")).digestCommand,
  manifest: async () => (await import("./commands/manifest.ts")).manifestCommand,
  config: async () => (await import("./commands/config.ts")).configCommand,
  ls: async () => (await import("./commands/ls.ts")).lsCommand,
  tag: async () => (await import("./commands/tag.ts")).tagCommand,
  rm: async () => (await import("./commands/rm.ts")).rmCommand,
  catalog: async () => (await import("./commands/catalog.ts")).catalogCommand,
  blob: async () => (await import("./commands/blob.ts")).blobCommand,
  referrers: async () => (await import("./commands/referrers.ts")).referrersCommand,
  ratelimit: async () => (await import("./commands/ratelimit.ts")).ratelimitCommand,
  explain: async () => (await import("./commands/explain.ts")).explainCommand,
  images: async (next) => (await import("./commands/images.ts")).imagesRoute(next),
  login: async () => (await import("./commands/login.ts")).loginCommand,
  logout: async () => (await import("./commands/logout.ts")).logoutCommand,
  serve: async () => (await import("./commands/serve.ts")).serveCommand,
  version: async () => (await import("./commands/version.ts")).versionCommand,
};
