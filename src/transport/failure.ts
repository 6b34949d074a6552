import { errnoOf, GantryError, isGantryError, messageOf } from "../base/error.ts";

/** Advice where a server asks for a client certificate. */
export const CERTIFICATE_ADVICE =
  "pass --cert-dir DIR, where DIR holds NAME.cert and NAME.key (`gantry explain` names the certificate that is sent)";

/** Alerts that a server sends about a client certificate, or about a missing one (RFC 8446 section 6.2). */
const certificateAlert =
  /alert ((?:bad|unsupported) certificate|certificate \w+|unknown ca|handshake failure|access denied)/i;

interface RequestFacts {
  /** The request, for messages. */
  readonly asked: string;
  readonly secure: boolean;
  /** Whether a client certificate was sent. */
  readonly certified: boolean;
  /** Whether the connection had been used before. */
  readonly reused: boolean;
  readonly redact: (text: string) => string;
}

function advice(code: string): string {
  if (code === "ENOTFOUND") return "; no host has this name; check its spelling";
  if (code === "EAI_AGAIN") return "; the name could not be looked up; check the network and its name servers";
  return code === "ECONNREFUSED" ? "; nothing listens there; check the host and the port" : "";
}

/** The error for a request that got no answer. */
export function connectionError(error: Error, { asked, secure, certified, reused, redact }: RequestFacts): unknown {
  // The message may contain a secret, for example in the host name of a redirect. Then the error must not be the cause.
  const shown = redact(messageOf(error));
  const cause = shown === messageOf(error) ? error : undefined;
  if (isGantryError(error)) return cause ?? new GantryError(error.code, shown, { details: error.details });
  const code = errnoOf(error) ?? "";
  if (code.startsWith("HPE_")) {
    // Without a cause: Node's error contains the bytes of the answer.
    return new GantryError("INVALID_RESPONSE", `${asked}: the answer is not HTTP (${shown})`, {
      details: { errno: code },
    });
  }
  const alert = certificateAlert.exec(shown)?.[1];
  if (secure && alert) {
    const why = certified ? "does not accept the client certificate" : "may want a client certificate";
    return new GantryError("TLS_FAILED", `${asked}: the server ${why} (${alert}); ${CERTIFICATE_ADVICE}`, { cause });
  }
  if (/^(?:ERR_TLS|ERR_SSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO|EPROTO)/.test(code)) {
    return new GantryError(
      "TLS_FAILED",
      `${asked}: ${shown}; pass the certificate of its authority with --ca-file, or --insecure if the server speaks plain http`,
      { cause },
    );
  }
  // Some servers close the connection of a client without a certificate, without saying why.
  const cut = secure && !certified && !reused && /^(?:ECONNRESET|EPIPE)$/.test(code);
  const hint = cut ? `; if the server wants a client certificate, ${CERTIFICATE_ADVICE}` : advice(code);
  return new GantryError("CONNECTION_FAILED", `${asked}: ${shown || code}${hint}`, {
    cause,
    details: { errno: code },
  });
}
