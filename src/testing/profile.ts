import type { Credential } from "../config/credentials.ts";

/** A behaviour of a registry. `source`: where it was observed, or `assumed`. */
export interface ProfileFact {
  readonly fact: string;
  readonly source: string;
}

/** A registry of the field, by what its clients notice: where it differs from the specification, or does what others do not. */
export interface RegistryProfile {
  readonly name: string;
  /** The host in references. */
  readonly host: string;
  /** The host of the API. Default: `host`. */
  readonly apiHost?: string | undefined;
  readonly facts: readonly ProfileFact[];
  readonly credential?:
    | Omit<Extract<Credential, { kind: "password" }>, "from">
    | Omit<Extract<Credential, { kind: "identity" }>, "from">
    | undefined;
  /** The prefix of the names of its repositories. */
  readonly prefix?: string | undefined;
  readonly behaviour: ProfileBehaviour;
}

export interface ProfileBehaviour {
  readonly basicRealm?: string | undefined;
  readonly bearer?:
    | {
        readonly realm: string;
        readonly service: string;
        readonly field: "token" | "access_token";
        /** The token server refuses passwords, and accepts only a refresh token. */
        readonly refreshOnly?: boolean | undefined;
        /** The status with which the token server refuses. With it, scopes with `secret` in them are refused too. */
        readonly refuses?: number | undefined;
      }
    | undefined;
  /** The host that blobs are redirected to. It refuses requests with an Authorization header. */
  readonly storageHost?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly noDigestHeader?: boolean | undefined;
  readonly tagFields?: Readonly<Record<string, unknown>> | undefined;
  /** Returns the Link header for the next page. */
  readonly link?: ((next: URL, request: URL) => string) | undefined;
  readonly maxPage?: number | undefined;
  readonly referrers?: { readonly status: number; readonly location?: string | undefined } | undefined;
  readonly noCatalog?: number | undefined;
  /** Returns the Location of an upload for its path; `uploadPath` returns the path for that Location. */
  readonly uploadLocation?: ((path: string) => string) | undefined;
  readonly uploadPath?: ((url: URL) => string | undefined) | undefined;
  /** A PATCH with more bytes is refused with this status. */
  readonly maxPatch?: { readonly bytes: number; readonly status: number } | undefined;
  readonly patchStatus?: number | undefined;
  /** The answer to a push to a missing repository: one with a part `absent` in its name. */
  readonly absentRepository?: { readonly status: number; readonly body: string } | undefined;
  readonly absentManifest?: { readonly status: number; readonly body: string } | undefined;
  readonly deleteTag?: number | undefined;
}
