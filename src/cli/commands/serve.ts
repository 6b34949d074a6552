import { GantryError, messageOf } from "../../base/error.ts";
import { printable } from "../../base/text.ts";
import type { FailedRequest } from "../../server/handler.ts";
import { serve } from "../../server/serve.ts";
import { openServed } from "../../verbs/serve.ts";
import { type Context, defineCommand } from "../command.ts";
import { on, several } from "../flag-kinds.ts";
import { type StoreFlags, storeFlags } from "../flags.ts";
import { limitsOf } from "../options.ts";
import { session } from "../session.ts";
import { openStore } from "../store.ts";

interface Flags extends StoreFlags {
  readonly listen: string;
  readonly allowDelete: boolean;
  readonly allowHost?: readonly string[] | undefined;
  readonly allowOrigin?: readonly string[] | undefined;
  readonly json: boolean;
}

function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d+)$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535)
    throw new GantryError("USAGE", `--listen ${text}: expected HOST:PORT, such as 127.0.0.1:5000`);
  return { host: match[1] ?? (match[2] || "127.0.0.1"), port };
}

export const serveCommand = defineCommand({
  details: `Answers the OCI distribution API until it is stopped. A layout holds many repositories; a missing directory is created. memory: starts an empty registry, whose content is lost when it is stopped.

Clients need no credentials: every program that reaches the address can pull and push. By default only programs on this machine reach it.`,
  examples: [
    ["Serve a layout on disk", "gantry serve oci:images"],
    ["Serve the local store on another port", "gantry serve store: --listen 127.0.0.1:8080"],
    ["Allow clients to delete", "gantry serve oci:images --allow-delete"],
  ],
  parameters: {
    flags: {
      listen: {
        kind: "parsed",
        parse: String,
        brief: "Address and port. Port 0 is any free port",
        placeholder: "HOST:PORT",
        default: "127.0.0.1:5000",
      },
      allowDelete: on("Allow clients to delete tags, manifests and blobs"),
      allowHost: several(
        "Accept this name in the Host header; * accepts any (default: loopback names when listening on loopback, else any)",
        "NAME",
      ),
      allowOrigin: several("Answer web pages of this origin, such as https://ui.example; * answers all", "ORIGIN"),
      ...storeFlags,
      json: on("Print the address as one JSON document"),
    },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "oci:DIR, store: or memory:", placeholder: "SOURCE" }],
    },
  },
  func(this: Context, flags: Flags, location: string) {
    return session(this, {}, async ({ signal, print, json, use }) => {
      const limits = limitsOf(flags.limit);
      const store = location === "store:" ? openStore(flags, { use }) : undefined;
      const { registry } = use(await openServed(location, { store, limits }));
      const onError = (error: unknown, { method, path }: FailedRequest): void =>
        void this.process.stderr.write(`error: ${printable(`${method} ${path}: ${messageOf(error)}`)}\n`);
      const service = await serve(registry, {
        ...parseListen(flags.listen),
        limits,
        allowDelete: flags.allowDelete,
        allowHosts: flags.allowHost,
        allowOrigins: flags.allowOrigin,
        onError,
      });
      if (flags.json) json({ registry: registry.name, host: service.host });
      else print(`serving ${printable(registry.name)} on http://${service.host}\n`);
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      await service.close();
    });
  },
});
