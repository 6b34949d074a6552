import { printable } from "../../base/text.ts";
import { type Explanation, explain } from "../../verbs/explain.ts";
import type { ExplainedEndpoint } from "../../verbs/explain-endpoint.ts";
import type { Location } from "../../verbs/location.ts";
import { type Context, defineCommand } from "../command.ts";
import { certificatesOf } from "../credentials.ts";
import { jsonFlag, type RemoteFlags, remoteFlags } from "../flags.ts";
import { parseImage } from "../location.ts";
import { registryOptions } from "../options.ts";
import { session } from "../session.ts";
import { wrap } from "../wrap.ts";

export const explainCommand = defineCommand({
  details: `Shows the endpoints in the order in which they would be asked, mirrors included. For each it shows the certificates, the proxy, where its credentials are stored (never the credentials), and the files that configure it.

Credential helpers are run. No request is sent, except to a registry on this machine, to find out whether it speaks http or https.`,
  examples: [
    ["Show how an image of Docker Hub would be reached", "gantry explain alpine:3.20"],
    ["The same as JSON", "gantry explain --json registry.example/app:v1"],
  ],
  parameters: {
    flags: { ...remoteFlags, json: jsonFlag },
    positional: { kind: "tuple", parameters: [{ parse: parseImage, brief: "The image", placeholder: "REF" }] },
  },
  func(this: Context, flags: RemoteFlags & { readonly json: boolean }, location: Location) {
    return session(this, {}, async ({ signal, json, print, columns }) => {
      const explanation = await explain(location, {
        registry: registryOptions(flags, undefined),
        certificates: flags.certDir === undefined ? undefined : await certificatesOf(flags.certDir),
        signal,
      });
      if (flags.json) json(explanation);
      else print(describe(explanation, columns));
    });
  },
});

function describe({ name, reference, blockedBy, endpoints }: Explanation, columns: number | undefined): string {
  const lines = [name, `  asks for  ${reference}`];
  if (blockedBy) lines.push(`  blocked   by ${printable(blockedBy)}`);
  for (const [at, endpoint] of endpoints.entries()) lines.push(...describeEndpoint(at + 1, endpoint, columns));
  return `${lines.join("\n")}\n`;
}

const tlsWords: Readonly<Record<ExplainedEndpoint["tls"], string>> = {
  verified: "verified",
  "not verified": "not verified, any certificate is accepted",
  none: "none, plain http",
};

function scheme({ protocol, protocolFault, asksProtocol }: ExplainedEndpoint): string {
  if (protocol) return asksProtocol ? `${protocol}, found out by a request without credentials` : protocol;
  const now = protocolFault ? `; it did not answer now: ${protocolFault}` : "";
  return `http or https, to be found out by a first request without credentials${now}`;
}

function credentialsOf({ credentials, credentialsFault }: ExplainedEndpoint): string {
  if (credentials) return `a ${credentials.kind}, from ${credentials.from}`;
  return credentialsFault ? `unknown: ${credentialsFault}` : "none, anonymous";
}

const LABEL = " ".repeat(5 + 13);

function describeEndpoint(at: number, endpoint: ExplainedEndpoint, columns: number | undefined): string[] {
  const { only } = endpoint;
  const row = (label: string, value: string | undefined): string[] => {
    if (!value) return [];
    const text = printable(value);
    const lines = columns === undefined ? [text] : wrap(text, Math.max(20, columns - LABEL.length));
    return lines.map((line, number) => `${number === 0 ? `     ${label.padEnd(13)}` : LABEL}${line}`);
  };
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
    ...row("credentials", credentialsOf(endpoint)),
    ...row("because of", endpoint.because.join(", ")),
  ];
}
