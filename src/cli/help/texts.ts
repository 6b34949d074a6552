/** Texts of the first page of help. */
export const imageNames: readonly (readonly [string, string])[] = [
  ["REF", "in a registry: alpine:3.20, docker://alpine:3.20 or ghcr.io/org/app@sha256:..."],
  ["oci:DIR[[:REPO]:TAG|@DIGEST]", "in an OCI image layout on disk"],
  ["store:NAME", "in the local store"],
];

export const topExamples: readonly string[] = [
  "gantry pull alpine:3.20",
  "gantry cp ghcr.io/org/app:v1 oci:app:v1",
  "gantry unpack alpine:3.20 ./rootfs",
];

export const exitCodes =
  "0 done, 1 failed, 2 wrong usage, 3 not found, 4 not authorised, 5 verification failed, 6 limit exceeded, 128+N ended by signal N";
