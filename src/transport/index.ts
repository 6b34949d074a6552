export { isLoopback, isPrivateAddress } from "./addresses.ts";
export type { HttpRequest, HttpResponse } from "./message.ts";
export { proxyFor } from "./proxy.ts";
export { hubRate, type Rate, type RateLimit, RateLimiter } from "./rate.ts";
export { redactText, redactUrl } from "./redact.ts";
export { nextHop } from "./redirect.ts";
export type { ClientCertificate, TlsOptions } from "./tls.ts";
export { Transport, type TransportOptions } from "./transport.ts";
