import type { Rate } from "../../transport/rate.ts";
import type { TransportOptions } from "../../transport/transport.ts";
import type { ClientSession } from "../session.ts";
import type { AuthenticatorOptions } from "./auth/authenticator.ts";
import type { UploadMemory } from "./upload-memory.ts";

export interface RemoteOptions extends Omit<TransportOptions, "home">, AuthenticatorOptions {
  /**
   * Accept plain http, and https without a check of the certificate. Default: https with the check; a loopback host may
   * also speak plain http.
   */
  readonly insecure?: boolean | undefined;
  /** Files or directories of certificates (PEM) that are trusted beside those of the system. */
  readonly caFiles?: readonly string[] | undefined;
  /** The URL of the API where it does not follow from the host: `https://mirror.example/v2/hub/`. */
  readonly endpoint?: URL | undefined;
  /** The registry that a mirror stands for; sent with each request for a repository (`ns=docker.io`). */
  readonly namespace?: string | undefined;
  /**
   * How many requests all clients of the session may send to the registry, per minute and at once. Default: 300 for
   * docker.io, else unlimited.
   */
  readonly rate?: Rate | undefined;
  /** Where unfinished uploads are remembered, so that the next process resumes them. Default: nowhere. */
  readonly uploads?: UploadMemory | undefined;
  /** The limiters, tokens and connections to share. Default: those of the process. */
  readonly session?: ClientSession | undefined;
}
