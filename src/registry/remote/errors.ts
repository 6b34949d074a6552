import type { ErrorCode } from "../../base/codes.ts";
import { GantryError } from "../../base/error.ts";
import { printable } from "../../base/text.ts";
import { CERTIFICATE_ADVICE } from "../../transport/failure.ts";
import type { HttpResponse } from "../../transport/message.ts";
import { redactUrl } from "../../transport/redact.ts";
import type { Transport } from "../../transport/transport.ts";

/** Codes of the distribution specification that mean the same here; for all others the status decides. */
const sharedCodes: readonly ErrorCode[] = [
  "BLOB_UNKNOWN",
  "BLOB_UPLOAD_INVALID",
  "BLOB_UPLOAD_UNKNOWN",
  "MANIFEST_BLOB_UNKNOWN",
  "MANIFEST_INVALID",
  "MANIFEST_UNKNOWN",
  "NAME_INVALID",
  "NAME_UNKNOWN",
  "UNAUTHORIZED",
  "DENIED",
  "UNSUPPORTED",
];

interface WireError {
  readonly code: string;
  readonly message: string;
}

/** The most characters of a registry's message that are kept. */
const MAX_MESSAGE = 2_000;

/** The registry, and the repository in it, that a request was for. */
export interface Place {
  readonly host: string;
  readonly repo: string | undefined;
}

/**
 * The error for a response with an unexpected status. The statuses 401, 403 and 429 decide its code; else a code of the
 * distribution specification in the body; else the status. At most 64 KiB of the body are read.
 * @param place named in the advice
 * @param missing the code for a 404 response that names none
 * @param body the body of the response, where it has been read already
 */
export async function responseError(
  response: HttpResponse,
  transport: Transport,
  asked: string,
  place: Place,
  missing: ErrorCode,
  body?: Buffer,
): Promise<GantryError> {
  const bytes = body ?? (await readBody(response, transport));
  const errors = parseErrors(bytes, transport.redact);
  const first = errors.find(({ code }) => sharedCodeOf(code)) ?? errors[0];
  const code = codeOf(response, first, missing);
  const said = errors
    .slice(0, 3)
    .map(({ code, message }) => `${code}: ${message}`)
    .join("; ");
  const url = response.redact(redactUrl(response.url));
  const message = `${asked}: ${response.redact(response.url.host)} answered ${response.status}${said ? ` (${printable(said).slice(0, 500)})` : ""}${wantsCertificate(response, bytes) ? `; it wants a client certificate: ${CERTIFICATE_ADVICE}` : advice(code, place)}`;
  return new GantryError(code, message, {
    details: { status: response.status, url, codes: errors.map(({ code }) => code) },
  });
}

const sharedCodeOf = (code: string | undefined): ErrorCode | undefined => sharedCodes.find((each) => each === code);

function codeOf(response: HttpResponse, first: WireError | undefined, missing: ErrorCode): ErrorCode {
  const { status } = response;
  if (status === 401) return "UNAUTHORIZED";
  if (status === 403) return "DENIED";
  if (status === 429) return "TOO_MANY_REQUESTS";
  const shared = sharedCodeOf(first?.code);
  if (first?.code === "DIGEST_INVALID") return "DIGEST_MISMATCH";
  if (first?.code === "SIZE_INVALID") return "SIZE_MISMATCH";
  if (shared) return shared;
  if (status === 404) return missing;
  if (status === 405 || status === 501 || (status >= 300 && status < 400)) return "UNSUPPORTED";
  if (status === 416) return "RANGE_INVALID";
  return "REGISTRY_ERROR";
}

/** nginx answers 400 where it requires a client certificate, and says so in the body, which HEAD does not have. */
function wantsCertificate({ url, status, headers }: HttpResponse, body: Buffer): boolean {
  if (url.protocol !== "https:" || status !== 400) return false;
  if (body.length === 0) return headers["server"]?.startsWith("nginx") === true;
  return body.includes("SSL certificate");
}

function advice(code: ErrorCode, { host, repo }: Place): string {
  if (code === "UNAUTHORIZED" || code === "DENIED") {
    return "; check the name of the repository (registries give the same answer for private and missing ones), and log in with `gantry login` if it is yours";
  }
  if (code === "MANIFEST_UNKNOWN" && repo) return `; \`gantry ls ${host}/${repo}\` lists the tags`;
  if (code === "NAME_UNKNOWN" && repo) return `; \`gantry catalog ${host}\` lists the repositories`;
  if (code === "TOO_MANY_REQUESTS") return "; wait, then try again";
  return "";
}

async function readBody(response: HttpResponse, transport: Transport): Promise<Buffer> {
  try {
    return await response.bytes(transport.limits.errorBytes, "the error response");
  } catch {
    await response.discard();
    return Buffer.alloc(0);
  }
}

/** The first errors of a body that have the right form, without secrets and of bounded length. */
function parseErrors(body: Buffer, redact: (text: string) => string): readonly WireError[] {
  let errors: unknown;
  try {
    errors = (JSON.parse(body.toString("utf8")) as { errors?: unknown | undefined } | null)?.errors;
  } catch {
    return [];
  }
  if (!Array.isArray(errors)) return [];
  const text = (value: unknown, otherwise: string): string => (typeof value === "string" ? value : otherwise);
  return errors
    .slice(0, 10)
    .filter((error) => typeof error === "object" && error !== null)
    .map(({ code, message }) => ({
      // Redacted before they are cut: a part of a secret would not be recognised.
      code: redact(text(code, "error")).slice(0, 64),
      message: redact(text(message, "")).slice(0, MAX_MESSAGE),
    }));
}
