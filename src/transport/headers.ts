import type { OutgoingHttpHeaders } from "node:http";
import { withoutUndefined } from "../base/defined.ts";
import { version } from "../base/version.ts";
import { type HttpRequest, isStreamed } from "./message.ts";
import type { Hop } from "./redirect.ts";

export interface HeaderOptions {
  /** Sent to the home host only. Their values are kept out of errors and logs. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Added to `gantry/VERSION` in User-Agent. */
  readonly userAgent?: string | undefined;
}

/** The headers that a request has at one hop. Secrets are left out where the hop must not see them. */
export function requestHeaders(request: HttpRequest, hop: Hop, options: HeaderOptions): OutgoingHttpHeaders {
  const { body } = request;
  const length = isStreamed(body) ? body.size : body?.byteLength;
  const layers: OutgoingHttpHeaders[] = [
    {
      "user-agent": `gantry/${version}${options.userAgent ? ` ${options.userAgent}` : ""}`,
      "accept-encoding": "identity",
    },
    { ...(hop.own ? options.headers : undefined) },
    { authorization: hop.left ? undefined : request.authorization },
    { ...request.headers },
    { "content-length": length === undefined ? undefined : String(length) },
  ];
  // node:http throws for a header that is undefined.
  return Object.assign({}, ...layers.map(withoutUndefined));
}
