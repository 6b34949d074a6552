export { authFiles, dockerConfigFile, removeLogin, saveLogin, userCredentials } from "./auth-file.ts";
export { readCertificates, trustedCertificates } from "./certificates.ts";
export type { Credential, CredentialSource } from "./credentials.ts";
export { userHosts } from "./hosts.ts";
export type { Capability, Endpoint, RouteSource, Routes } from "./routes.ts";
