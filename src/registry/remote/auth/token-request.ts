import { GantryError } from "../../../base/error.ts";
import type { Credential } from "../../../config/credentials.ts";
import { parseJsonObject } from "../../../spec/json.ts";
import type { HttpRequest } from "../../../transport/message.ts";

/** With this user name, Azure gives out a refresh token as the password. */
const AZURE_TOKEN_USER = "00000000-0000-0000-0000-000000000000";

/** The value of an Authorization header (RFC 7617). */
export function basic({ username, password }: Extract<Credential, { kind: "password" }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/**
 * The requests that may give a token, best first: a refresh token goes into the body of a POST (RFC 6749 section 6), a
 * password into the header of a GET.
 */
export function tokenRequests(
  realm: URL,
  service: string,
  scope: string,
  credential: Credential | undefined,
): readonly HttpRequest[] {
  const refresh = refreshToken(credential);
  const post = refresh === undefined ? [] : [refreshRequest(realm, service, scope, refresh)];
  if (credential?.kind === "identity") return post;
  const url = new URL(realm);
  if (service) url.searchParams.set("service", service);
  // The token specification requires one parameter for each scope.
  for (const each of scope.split(" ").filter(Boolean)) url.searchParams.append("scope", each);
  const authorization = credential?.kind === "password" ? basic(credential) : undefined;
  return [...post, { method: "GET", url, authorization }];
}

function refreshToken(credential: Credential | undefined): string | undefined {
  if (credential?.kind === "identity") return credential.token;
  return credential?.kind === "password" && credential.username === AZURE_TOKEN_USER ? credential.password : undefined;
}

function refreshRequest(realm: URL, service: string, scope: string, token: string): HttpRequest {
  const form = { grant_type: "refresh_token", service, scope, client_id: "gantry", refresh_token: token };
  return {
    method: "POST",
    url: realm,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: Buffer.from(new URLSearchParams(form).toString()),
    repeatable: true,
  };
}

/** The Authorization header of a token server's answer, and its lifetime in seconds. @throws INVALID_RESPONSE */
export function readToken(bytes: Buffer, what: string): { readonly header: string; readonly expiresIn: number } {
  const invalid = (why: string): GantryError => new GantryError("INVALID_RESPONSE", `${what} cannot be read: ${why}`);
  let value: Record<string, unknown>;
  try {
    value = parseJsonObject(bytes, what);
  } catch {
    // The parser's own message quotes the bytes, which may hold a token.
    throw invalid("the answer is not a JSON object");
  }
  const token = value["token"] || value["access_token"];
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) throw invalid("the answer has no token");
  const expiresIn = typeof value["expires_in"] === "number" ? value["expires_in"] : 60;
  return { header: `Bearer ${token}`, expiresIn };
}
