import type { SecureContext } from "node:tls";
import { GantryError, messageOf } from "../base/error.ts";
import { Once } from "../base/once.ts";

/** The certificate of this client and its key, as PEM. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface TlsOptions {
  /** The certificates to trust, as PEM; called when TLS is first used. Default: those of Node. */
  readonly ca?: (() => Promise<readonly string[] | undefined>) | undefined;
  /** Sent to the registry itself and to no other host. */
  readonly clientCertificate?: (() => Promise<ClientCertificate | undefined>) | undefined;
  /** Accept any certificate of the registry itself; other hosts are still verified. */
  readonly skipVerify?: boolean | undefined;
}

/** Two TLS contexts: one with the client certificate, for the registry itself, and one for all other hosts. */
export class TlsContexts {
  readonly #options: TlsOptions;
  readonly #certificate = new Once(async () => this.#options.clientCertificate?.());
  readonly #own = new Once(() => this.#make(true));
  readonly #others = new Once(() => this.#make(false));

  constructor(options: TlsOptions) {
    this.#options = options;
  }

  /** @throws CONFIG_INVALID for a certificate and a key that cannot be used, and what the functions of the options throw */
  get(own: boolean): Promise<SecureContext> {
    return (own ? this.#own : this.#others).get();
  }

  /** Whether a client certificate is sent to the registry itself when it asks for one. */
  async isCertified(): Promise<boolean> {
    return (await this.#certificate.get()) !== undefined;
  }

  async #make(own: boolean): Promise<SecureContext> {
    const { createSecureContext } = await import("node:tls");
    const ca = await this.#options.ca?.();
    const certificate = own ? await this.#certificate.get() : undefined;
    const trusted = { minVersion: "TLSv1.2", ca: ca && [...ca] } as const;
    if (!certificate) return createSecureContext(trusted);
    try {
      return createSecureContext({ ...trusted, ...certificate });
    } catch (error) {
      throw new GantryError(
        "CONFIG_INVALID",
        `the client certificate and its key cannot be used: ${messageOf(error)}; \`gantry explain\` names their files`,
      );
    }
  }

  /** Forgets what was read; the files are read again at the next use. */
  reset(): void {
    for (const kept of [this.#certificate, this.#own, this.#others]) kept.reset();
  }
}
