export { redactUrl } from "./redact.ts";
export { isLoopback, isPrivateAddress, nextHop } from "./redirect.ts";
export { type HttpRequest, type HttpResponse, type Method, Transport, type TransportOptions } from "./transport.ts";
