import { buildCommand, type Command } from "@stricli/core";
import { GantryError, messageOf } from "../../base/error.ts";
import { printable } from "../../base/text.ts";
import type { FailedRequest } from "../../server/handler.ts";
import { serve } from "../../server/serve.ts";
import { openServed } from "../../verbs/serve.ts";
import type { Context } from "../context.ts";
import { jsonFlag, limitsOf, type StoreFlags, storeFlags } from "../flags.ts";
import { session } from "../session.ts";
import { openStore } from "../store.ts";

interface Flags extends StoreFlags {
  readonly listen: string;
  readonly allowDelete: boolean;
  readonly allowHost?: readonly string[] | undefined;
  readonly allowOrigin?: readonly string[] | undefined;
  readonly limit?: readonly string[] | undefined;
  readonly json: boolean;
}

function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d+)$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535)
    throw new GantryError("USAGE", `--listen ${text}: expected HOST:PORT, such as 127.0.0.1:5000`);
  return { host: match[1] ?? (match[2] || "127.0.0.1"), port };
}

const several = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: String, brief, placeholder, variadic: true, optional: true }) as const;

export const serveCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Serve a layout or the local store as a registry",
    fullDescription:
      "Answers the OCI distribution API until it is stopped. A layout directory that is absent is made; many repositories live in one. Without credentials: keep it on loopback, which is the default.",
  },
  parameters: {
    flags: {
      ...storeFlags,
      json: { ...jsonFlag, brief: "Print where it listens as one JSON document" },
      listen: {
        kind: "parsed",
        parse: String,
        brief: "Address and port; port 0 is any free one",
        placeholder: "HOST:PORT",
        default: "127.0.0.1:5000",
      },
      allowDelete: { kind: "boolean", brief: "Allow clients to delete", default: false, withNegated: false },
      allowHost: several(
        "A name that clients may call this server by; * is any (default: loopback names where it listens there, else any)",
        "NAME",
      ),
      allowOrigin: several("An origin whose web pages may use this server, such as https://ui.example", "ORIGIN"),
    },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "oci:DIR, store: or memory:", placeholder: "WHAT" }],
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
