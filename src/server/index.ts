export type { AccessOptions } from "./access.ts";
export { type FailedRequest, type HandlerOptions, registryHandler } from "./handler.ts";
export { listen, type ServeOptions, type Service, serve } from "./serve.ts";
