import { errnoOf, GantryError, isGantryError, messageOf } from "../base/error.ts";

/** Advice where a server asks for a client certificate. */
export const CERTIFICATE_ADVICE =
  "pass --cert-dir DIR, where DIR holds NAME.cert and NAME.key (`gantry explain` names the one that is shown)";

/** Alerts that a server sends about a client certificate, or because there is none (RFC 8446 section 6.2). */
const certificateAlert =
  /alert ((?:bad|unsupported) certificate|certificate \w+|unknown ca|handshake failure|access denied)/i;

interface Asked {
  /** The request, for messages. */
  readonly asked: string;
  readonly secure: boolean;
  /** Whether a client certificate was shown. */
  readonly certified: boolean;
  /** Whether the connection had been used before. */
  readonly reused: boolean;
  readonly redact: (text: string) => string;
}

function advice(code: string): string {
  if (code === "ENOTFOUND") return "; no host has this name; check how it is written";
  if (code === "EAI_AGAIN") return "; the name could not be looked up; check the network and its name servers";
  return code === "ECONNREFUSED" ? "; nothing listens there; check the host and the port" : "";
}

/** The error for a request that got no answer. */
export function connectionError(error: Error, { asked, secure, certified, reused, redact }: Asked): unknown {
  // The message may repeat a secret, as in a host name that a server named: then the original error must not be its cause.
  const shown = redact(messageOf(error));
  const cause = shown === messageOf(error) ? error : undefined;
  if (isGantryError(error)) return cause ?? new GantryError(error.code, shown, { details: error.details });
  const code = errnoOf(error) ?? "";
  if (code.startsWith("HPE_")) {
    // Without a cause: the error holds the bytes of the answer.
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
      `${asked}: ${shown}; name the certificate of its authority with --ca-file, or pass --insecure if it speaks plain http`,
      { cause },
    );
  }
  // Some servers close the connection of a client without a certificate, and do not say why.
  const cut = secure && !certified && !reused && /^(?:ECONNRESET|EPIPE)$/.test(code);
  const hint = cut ? `; if the server wants a client certificate, ${CERTIFICATE_ADVICE}` : advice(code);
  return new GantryError("CONNECTION_FAILED", `${asked}: ${shown || code}${hint}`, {
    cause,
    details: { errno: code },
  });
}
