import { buildCommand, type Command } from "@stricli/core";
import { printable } from "../../base/text.ts";
import { type Explanation, explain } from "../../verbs/explain.ts";
import type { ExplainedEndpoint } from "../../verbs/explain-endpoint.ts";
import type { Location } from "../../verbs/location.ts";
import type { Context } from "../context.ts";
import { certificatesOf } from "../credentials.ts";
import { jsonFlag, type RemoteFlags, registryOptions, remoteFlags } from "../flags.ts";
import { parseImage } from "../location.ts";
import { session } from "../session.ts";

export const explainCommand: Command<Context> = buildCommand({
  docs: {
    brief: "Tell how an image would be reached, and why",
    fullDescription:
      "Which endpoints and mirrors, in which order, with which certificates, proxy and credentials (where they are kept, never what they are), and which file says so. A credential helper is asked, and a registry on this machine which of http and https it speaks; no other registry is.",
  },
  parameters: {
    flags: { ...remoteFlags, json: jsonFlag },
    positional: { kind: "tuple", parameters: [{ parse: parseImage, brief: "The image", placeholder: "REF" }] },
  },
  func(this: Context, flags: RemoteFlags & { readonly json: boolean }, location: Location) {
    return session(this, {}, async ({ signal, json, print }) => {
      const explanation = await explain(location, {
        registry: registryOptions(flags, undefined),
        certificates: flags.certDir === undefined ? undefined : await certificatesOf(flags.certDir),
        signal,
      });
      if (flags.json) json(explanation);
      else print(describe(explanation));
    });
  },
});

function describe({ name, reference, blockedBy, endpoints }: Explanation): string {
  const lines = [name, `  asks for  ${reference}`];
  if (blockedBy) lines.push(`  blocked   by ${printable(blockedBy)}`);
  for (const [at, endpoint] of endpoints.entries()) lines.push(...describeEndpoint(at + 1, endpoint));
  return `${lines.join("\n")}\n`;
}

const tlsWords: Readonly<Record<ExplainedEndpoint["tls"], string>> = {
  verified: "verified",
  "not verified": "whatever certificate it shows",
  none: "none, plain http",
};

function scheme({ protocol, protocolFault, asksProtocol }: ExplainedEndpoint): string {
  if (protocol) return asksProtocol ? `${protocol}, as it answered when it was asked without secrets` : protocol;
  const now = protocolFault ? `; now it cannot be told: ${protocolFault}` : "";
  return `http or https, as it answers when it is asked first, without secrets${now}`;
}

function describeEndpoint(at: number, endpoint: ExplainedEndpoint): string[] {
  const { credentials, only } = endpoint;
  const row = (label: string, value: string | undefined): string[] =>
    value ? [`     ${label.padEnd(13)}${printable(value)}`] : [];
  return [
    `  ${at}. ${endpoint.role}  ${endpoint.url}`,
    ...row("repository", endpoint.repository),
    ...row(
      "for",
      `${endpoint.capabilities.join(", ")}${only ? `; only ${only}` : ""}${endpoint.final ? "; its answer is final" : ""}`,
    ),
    ...row("scheme", scheme(endpoint)),
    ...row("TLS", tlsWords[endpoint.tls]),
    ...row("also trusts", endpoint.caFiles.join(", ")),
    ...row("certificate", endpoint.clientCertificate),
    ...row("headers", endpoint.headers.join(", ")),
    ...Object.entries(endpoint.proxies).flatMap(([protocol, proxy]) => row("proxy", `${proxy} for ${protocol}`)),
    ...row(
      "credentials",
      credentials
        ? `a ${credentials.kind}, from ${credentials.from}`
        : endpoint.credentialsFault
          ? `cannot be told: ${endpoint.credentialsFault}`
          : "none, anonymous",
    ),
    ...row("because of", endpoint.because.join(", ")),
  ];
}
