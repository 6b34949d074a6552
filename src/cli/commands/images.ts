import { buildRouteMap, type Command, type RouteMap } from "@stricli/core";
import type { Context } from "../context.ts";

/** As for the commands above: a chunk each. */
const routes: Readonly<Record<string, () => Promise<Command<Context>>>> = {
  ls: async () => (await import("./images/ls.ts")).lsCommand,
  label: async () => (await import("./images/label.ts")).labelCommand,
  rm: async () => (await import("./images/rm.ts")).rmCommand,
  gc: async () => (await import("./images/gc.ts")).gcCommand,
  fsck: async () => (await import("./images/fsck.ts")).fsckCommand,
};

/** `gantry images [ls|label|rm|gc|fsck]`; only what was asked for is loaded. */
export async function imagesRoute(asked: string | undefined): Promise<RouteMap<Context>> {
  const listing = asked === undefined || (asked.startsWith("-") && !/^--?h/.test(asked));
  const wanted = listing ? "ls" : asked;
  const names = Object.hasOwn(routes, wanted) ? [wanted] : Object.keys(routes);
  const loaded = await Promise.all(names.map(async (name) => [name, await routes[name]!()] as const));
  return buildRouteMap<string, Context>({
    routes: Object.fromEntries(loaded),
    // A word that is no command is a mistake, not an argument of ls.
    ...(listing && { defaultCommand: "ls" }),
    docs: { brief: "The images of the local store: list, label, remove, collect garbage, check" },
  });
}
