import { createSign, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Listening, listening } from "./http.ts";

/**
 * A token server whose tokens docker-registry accepts: JSON web tokens, signed with the key of a certificate of its
 * `rootcertbundle`. The user `me` with the password `secret` may do everything; other clients may pull.
 * @see distribution's specification of token authentication
 */
export async function tokenIssuer(
  files: { readonly cert: string; readonly key: string },
  service: string,
): Promise<Listening> {
  const key = readFileSync(files.key, "utf8");
  const chain = [new X509Certificate(readFileSync(files.cert)).raw.toString("base64")];
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return listening((request, response) => {
    request.resume().on("end", () => {
      const url = new URL(request.url!, "http://x");
      const { authorization } = request.headers;
      const known = authorization === `Basic ${Buffer.from("me:secret").toString("base64")}`;
      if (authorization && !known) return void response.writeHead(401).end();
      const scopes = url.searchParams.getAll("scope").flatMap((scope) => scope.split(" "));
      const access = scopes.map((scope) => {
        const [type, name, actions = ""] = scope.split(":");
        const allowed = actions.split(",").filter((action) => known || action === "pull");
        return { type, name, actions: allowed };
      });
      const now = Math.floor(Date.now() / 1000);
      const claims = {
        iss: "tests",
        sub: known ? "me" : "",
        aud: service,
        exp: now + 60,
        nbf: now - 10,
        iat: now,
        jti: String(Math.random()),
        access,
      };
      const signed = `${encode({ typ: "JWT", alg: "RS256", x5c: chain })}.${encode(claims)}`;
      const signature = createSign("RSA-SHA256").update(signed).sign(key, "base64url");
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify({ token: `${signed}.${signature}`, expires_in: 60, issued_at: new Date().toISOString() }),
      );
    });
  });
}
