export { authFiles, dockerConfigFile } from "./auth-file.ts";
export { readCertificates, readClientCertificate, trustedCertificates } from "./certificates.ts";
export type { Certificates } from "./certs-d.ts";
export type { Credential, CredentialSource } from "./credentials.ts";
export { userHosts } from "./hosts.ts";
export { type Kept, removeLogin, saveLogin } from "./login.ts";
export type { Capability, Endpoint, RouteSource, Routes } from "./routes.ts";
export { resolveShortName } from "./short-names.ts";
export { userCredentials } from "./user-credentials.ts";
