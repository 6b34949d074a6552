import { errnoOf, GantryError, isGantryError, messageOf } from "../base/error.ts";

/** What to do where a server asks for a client certificate. */
export const CERTIFICATE_ADVICE =
  "name a directory with its NAME.cert and NAME.key by --cert-dir (`gantry explain` tells which one is shown)";

/** Alerts that a server sends about the certificate of a client, or for want of one (RFC 8446 section 6.2). */
const certificateAlert =
  /alert ((?:bad|unsupported) certificate|certificate \w+|unknown ca|handshake failure|access denied)/i;

interface Asked {
  /** The request, for messages. */
  readonly asked: string;
  readonly secure: boolean;
  /** Whether a client certificate was shown. */
  readonly certified: boolean;
  /** Whether the connection had served before. */
  readonly reused: boolean;
  readonly redact: (text: string) => string;
}

function advice(code: string): string {
  if (code === "ENOTFOUND") return "; no host has this name: check how it is written";
  if (code === "EAI_AGAIN") return "; the name could not be looked up: check the network and its name servers";
  return code === "ECONNREFUSED" ? "; nothing listens there: check the host and the port" : "";
}

/** The error for a request that got no answer. */
export function connectionError(error: Error, { asked, secure, certified, reused, redact }: Asked): unknown {
  // The name of a host may be what a server said: an error that repeats it must not be its own cause.
  const said = redact(messageOf(error));
  const cause = said === messageOf(error) ? error : undefined;
  if (isGantryError(error)) return cause ?? new GantryError(error.code, said, { details: error.details });
  const code = errnoOf(error) ?? "";
  if (code.startsWith("HPE_")) {
    // Not the error itself: it holds the bytes that came.
    return new GantryError("INVALID_RESPONSE", `${asked}: the answer is not HTTP (${said})`, {
      details: { errno: code },
    });
  }
  const alert = certificateAlert.exec(said)?.[1];
  if (secure && alert) {
    const why = certified ? "does not accept the client certificate" : "may want a client certificate";
    return new GantryError("TLS_FAILED", `${asked}: the server ${why} (${alert}); ${CERTIFICATE_ADVICE}`, { cause });
  }
  if (/^(?:ERR_TLS|ERR_SSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO|EPROTO)/.test(code)) {
    return new GantryError(
      "TLS_FAILED",
      `${asked}: ${said}; name the certificate that vouches for it with --ca-file; a registry that speaks plain http needs --insecure`,
      { cause },
    );
  }
  // Some servers say nothing to a client without a certificate.
  const cut = secure && !certified && !reused && /^(?:ECONNRESET|EPIPE)$/.test(code);
  const hint = cut ? `; if the server wants a client certificate, ${CERTIFICATE_ADVICE}` : advice(code);
  return new GantryError("CONNECTION_FAILED", `${asked}: ${said || code}${hint}`, {
    cause,
    details: { errno: code },
  });
}
