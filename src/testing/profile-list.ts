import type { RegistryProfile } from "./profile.ts";

const password = (username: string) => ({ kind: "password", username, password: "a-secret" }) as const;
const notFound = (code: string, message: string): string => JSON.stringify({ errors: [{ code, message }] });
const internal =
  (host: string) =>
  (path: string): string =>
    `http://${host}${path}`;

/** Registries of the field. The facts of a profile describe its behaviour, each with its source. */
export const registryProfiles: readonly RegistryProfile[] = [
  {
    name: "Docker Hub",
    host: "docker.io",
    apiHost: "registry-1.docker.io",
    prefix: "library/",
    facts: [
      {
        fact: "HEAD of a manifest does not count against the quota; its headers report the quota",
        source: "docs.docker.com/docker-hub/usage/pulls",
      },
      {
        fact: "anonymous tokens come from auth.docker.io, service registry.docker.io",
        source: "docs.docker.com/docker-hub/usage/pulls",
      },
      { fact: "no referrers API", source: "github.com/docker/roadmap/issues/724" },
      { fact: "deleting by tag is 405", source: "github.com/docker/hub-feedback/issues/2360" },
      { fact: "blobs redirect to signed URLs of another host", source: "assumed" },
    ],
    behaviour: {
      bearer: { realm: "https://auth.docker.io/token", service: "registry.docker.io", field: "token", refuses: 401 },
      storageHost: "production.cloudflare.docker.example",
      headers: {
        "ratelimit-limit": "100;w=21600",
        "ratelimit-remaining": "76;w=21600",
        "docker-ratelimit-source": "192.0.2.1",
      },
      referrers: { status: 404 },
      noCatalog: 401,
      deleteTag: 405,
    },
  },
  {
    name: "Amazon ECR",
    host: "123456789012.dkr.ecr.us-east-1.amazonaws.com",
    facts: [
      {
        fact: "Basic, user AWS; the password is valid for 12 h",
        source: "docs.aws.amazon.com/cli/latest/reference/ecr/get-login-password.html",
      },
      { fact: "401 is text/plain", source: "github.com/NVIDIA/enroot/issues/59" },
      {
        fact: "blobs redirect to S3, which answers 400 to a request with Authorization",
        source: "github.com/open-policy-agent/opa/pull/6728",
      },
      {
        fact: "the POST of a push to a missing repository is 404 NAME_UNKNOWN",
        source: "github.com/mulgadc/spinifex/pull/400 (an emulator)",
      },
      { fact: "PATCH answers 201", source: "github.com/dotnet/sdk-container-builds/pull/279" },
      { fact: "no Docker-Content-Digest on manifests", source: "github.com/distribution/distribution/issues/3792" },
      { fact: "n above 1000 is an error", source: "github.com/google/go-containerregistry pkg/v1/remote/options.go" },
    ],
    credential: password("AWS"),
    behaviour: {
      basicRealm: "https://123456789012.dkr.ecr.us-east-1.amazonaws.com/",
      storageHost: "prod-us-east-1-starport-layer-bucket.s3.us-east-1.amazonaws.com",
      patchStatus: 201,
      noDigestHeader: true,
      maxPage: 1000,
      absentRepository: {
        status: 404,
        body: notFound(
          "NAME_UNKNOWN",
          "The repository with name 'absent/app' does not exist in the registry with id '123456789012'",
        ),
      },
    },
  },
  {
    name: "GitHub (ghcr.io)",
    host: "ghcr.io",
    prefix: "owner/",
    facts: [
      {
        fact: "the token server answers 403 DENIED for a missing package, and for one that the client may not see",
        source: "github.com/sigstore/scaffolding/issues/127",
      },
      { fact: "referrers are answered 303, to a page of github.com", source: "github.com/artifacthub/hub/issues/4785" },
      { fact: "no catalog", source: "github.com/oras-project/oras-go/issues/621" },
      { fact: "PATCH of more than 4 MiB is 416", source: "github.com/ocx-sh/ocx/pull/237" },
    ],
    behaviour: {
      bearer: { realm: "https://ghcr.io/token", service: "ghcr.io", field: "token", refuses: 403 },
      referrers: {
        status: 303,
        location: "https://github.com/-/v2/packages/container/package/app%2Freferrers%2Fsha256",
      },
      noCatalog: 404,
      maxPatch: { bytes: 4 << 20, status: 416 },
    },
  },
  {
    name: "Google Artifact Registry",
    host: "europe-docker.pkg.dev",
    prefix: "project/repository/",
    facts: [
      { fact: "21 KB of response headers", source: "github.com/actions/attest-build-provenance/issues/606" },
      {
        fact: "the Location of an upload is relative, and outside /v2/",
        source: "github.com/oras-project/rust-oci-client/pull/175",
      },
      {
        fact: "tags/list has child and manifest; numbers are strings",
        source: "github.com/google/go-containerregistry pkg/v1/google/list.go",
      },
      {
        fact: "the user _json_key, whose password is a JSON document",
        source: "cloud.google.com/artifact-registry/docs/docker/authentication",
      },
    ],
    credential: {
      kind: "password",
      username: "_json_key",
      password: '{"type":"service_account","private_key":"-----BEGIN\\n:"}',
    },
    behaviour: {
      bearer: { realm: "https://europe-docker.pkg.dev/v2/token", service: "europe-docker.pkg.dev", field: "token" },
      headers: { "x-goog-very-long": "x".repeat(20_500) },
      uploadLocation: (path) =>
        `/artifacts-uploads/namespaces/p/repositories/r/uploads/${Buffer.from(path).toString("base64url")}`,
      uploadPath: (url) => {
        const kept = /^\/artifacts-uploads\/.*\/([^/]+)$/.exec(url.pathname)?.[1];
        return kept && Buffer.from(kept, "base64url").toString();
      },
      tagFields: {
        child: [],
        manifest: { "sha256:0": { imageSizeBytes: "1234", timeUploadedMs: "1700000000000", tag: ["v1"] } },
      },
    },
  },
  {
    name: "Quay",
    host: "quay.io",
    prefix: "org/",
    facts: [
      {
        fact: "Link names the next page by a token, next_page",
        source: "github.com/deitch/docker_registry2/issues/56",
      },
      { fact: "Link is absolute", source: "github.com/quay/quay endpoints/v2/__init__.py" },
      { fact: "the token server answers only { token }", source: "github.com/quay/quay endpoints/v2/v2auth.py" },
      {
        fact: "Red Hat's Quay sends no Docker-Content-Digest; current Quay does",
        source: "github.com/ivanilves/lstags/issues/186",
      },
    ],
    credential: password("org+robot"),
    behaviour: {
      bearer: { realm: "https://quay.io/v2/auth", service: "quay.io", field: "token" },
      noDigestHeader: true,
      maxPage: 2,
      link: (next, request) => {
        const token = Buffer.from(next.searchParams.get("last")!).toString("base64url");
        return `<http://${request.host}${next.pathname}?next_page=${token}&n=2>; rel="next"`;
      },
    },
  },
  {
    name: "Azure ACR",
    host: "name.azurecr.io",
    facts: [
      {
        fact: "POST /oauth2/token with a refresh token gives access_token, no token",
        source: "github.com/Azure/acr docs/AAD-OAuth.md",
      },
      {
        fact: "with the user name of zeros, the password is a refresh token",
        source: "github.com/Azure/acr docs/AAD-OAuth.md",
      },
      {
        fact: "blobs redirect to blob.core.windows.net, which refuses Authorization",
        source: "github.com/Azure/azure-sdk-for-js/issues/20957",
      },
      { fact: "the Location of an upload has a query", source: "github.com/opencontainers/artifacts/issues/55" },
      { fact: "Link has additional parameters", source: "github.com/Azure/acr docs/AAD-OAuth.md" },
    ],
    credential: password("00000000-0000-0000-0000-000000000000"),
    behaviour: {
      bearer: {
        realm: "https://name.azurecr.io/oauth2/token",
        service: "name.azurecr.io",
        field: "access_token",
        refreshOnly: true,
      },
      storageHost: "eusmanaged1.blob.core.windows.net",
      uploadLocation: (path) => `${path}?_nouploadcache=false&_state=abc`,
      maxPage: 2,
      link: (next) => `<${next.pathname}?last=${next.searchParams.get("last")}&n=2&orderby=>; rel="next"`,
    },
  },
  {
    name: "Artifactory",
    host: "artifacts.corp.com",
    prefix: "docker-local/",
    facts: [
      {
        fact: "names start with the key of the repository",
        source: "jfrog.com/help, docker repository path method",
      },
      { fact: "Link lacks the key of the repository", source: "github.com/renovatebot/renovate/issues/15080" },
      { fact: 'Basic realm="Artifactory Realm"', source: "a comment in a client's source" },
      { fact: "errors may have no code", source: "github.com/jfrog/charts/issues/455" },
      { fact: "Location names an inner host where the base URL is not configured", source: "assumed" },
    ],
    credential: password("ci"),
    behaviour: {
      basicRealm: "Artifactory Realm",
      maxPage: 2,
      link: (next) => `<${next.pathname.replace("/v2/docker-local/", "/v2/")}${next.search}>; rel="next"`,
      uploadLocation: internal("10.1.2.3:8082"),
      absentManifest: { status: 404, body: JSON.stringify({ errors: [{ status: 404, message: "Not found" }] }) },
    },
  },
  {
    name: "Nexus",
    host: "nexus.corp.com",
    facts: [
      {
        fact: 'BASIC realm="Sonatype Nexus Repository Manager", in upper case',
        source: "github.com/sonatype/nexus-public/issues/921",
      },
      {
        fact: "Link names the connector's port and an inner path",
        source: "github.com/sonatype/nexus-public/issues/1011",
      },
      { fact: "Location with an inner address", source: "assumed" },
    ],
    credential: password("admin"),
    behaviour: {
      basicRealm: "Sonatype Nexus Repository Manager",
      maxPage: 2,
      link: (next) => `<http://${next.hostname}:5002/repository/docker${next.pathname}${next.search}>; rel="next"`,
      uploadLocation: internal("127.0.0.1:8081"),
    },
  },
  {
    name: "Harbor",
    host: "harbor.corp.com",
    prefix: "project/",
    facts: [
      {
        fact: "robots are called robot$project+name",
        source: "github.com/goharbor/harbor src/common/const.go, event/handler/internal/artifact.go",
      },
      {
        fact: "deleting by tag is 400 UNSUPPORTED",
        source: "github.com/goharbor/harbor src/server/registry/manifest.go",
      },
      { fact: "behind a proxy, Location names the inner address", source: "github.com/goharbor/harbor/issues/6405" },
      {
        fact: "the realm is /service/token of the host that was asked, service harbor-registry",
        source: "github.com/goharbor/harbor src/server/middleware/v2auth/auth.go",
      },
    ],
    credential: password("robot$project+ci"),
    behaviour: {
      bearer: { realm: "https://harbor.corp.com/service/token", service: "harbor-registry", field: "token" },
      uploadLocation: internal("172.18.0.5:8080"),
      deleteTag: 400,
    },
  },
  {
    name: "GitLab",
    host: "registry.gitlab.com",
    prefix: "group/project/",
    facts: [
      {
        fact: "the realm is gitlab.com/jwt/auth, the service container_registry",
        source: "docs.gitlab.com, container registry authorization flow",
      },
      {
        fact: "the token server answers 403 for a project that the client may not see",
        source: "docs.gitlab.com, container registry authorization flow",
      },
      {
        fact: "blobs redirect to storage.googleapis.com",
        source: "docs.gitlab.com, container registry authorization flow",
      },
    ],
    credential: password("gitlab-ci-token"),
    behaviour: {
      bearer: { realm: "https://gitlab.com/jwt/auth", service: "container_registry", field: "token", refuses: 403 },
      storageHost: "storage.googleapis.com",
    },
  },
];
