import type { Rate } from "../../transport/rate.ts";
import type { TransportOptions } from "../../transport/transport.ts";
import type { ClientSession } from "../session.ts";
import type { AuthenticatorOptions } from "./auth/authenticator.ts";
import type { UploadMemory } from "./sessions.ts";

export interface RemoteOptions extends Omit<TransportOptions, "home">, AuthenticatorOptions {
  /**
   * Accept http, and TLS without a check of the certificate, whichever the registry speaks. Default: https, and for
   * loopback hosts whichever of http and https they speak.
   */
  readonly insecure?: boolean | undefined;
  /** Files or directories of certificates (PEM) that are trusted beside those of the system. */
  readonly caFiles?: readonly string[] | undefined;
  /** The URL of the API where it does not follow from the host: `https://mirror.example/v2/hub/`. */
  readonly endpoint?: URL | undefined;
  /** Sent with each request for a repository, for mirrors that want to know which registry they stand for (`ns=docker.io`). */
  readonly namespace?: string | undefined;
  /**
   * The requests that the whole session may send to the registry, a minute and at once. Default: 300 for docker.io, else
   * no bound.
   */
  readonly rate?: Rate | undefined;
  /** Where unfinished uploads are remembered, so that the next process resumes them. Default: nowhere. */
  readonly uploads?: UploadMemory | undefined;
  /** The limiters, tokens and connections to share. Default: those of the process. */
  readonly session?: ClientSession | undefined;
}
