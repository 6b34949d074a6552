export { type HandlerOptions, registryHandler } from "./handler.ts";
export { listen, type ServeOptions, type Service, serve } from "./serve.ts";
