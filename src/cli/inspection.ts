import { formatBytes, printable } from "../base/text.ts";
import { formatPlatform } from "../images/platform.ts";
import { isAttestation } from "../images/select.ts";
import { annotationKeys } from "../spec/annotations.ts";
import { isDigest } from "../spec/digest.ts";
import type { Descriptor, History } from "../spec/types.ts";
import type { Inspection } from "../verbs/inspect.ts";
import type { ArtifactSummary, ImageSummary } from "../verbs/summary.ts";

/** A line of the tree, and its children. */
interface Branch {
  readonly text: string;
  readonly below?: readonly Branch[] | undefined;
}

function draw(branches: readonly Branch[], indent = ""): string[] {
  return branches.flatMap(({ text, below = [] }, at) => {
    const last = at === branches.length - 1;
    return [`${indent}${last ? "└── " : "├── "}${text}`, ...draw(below, `${indent}${last ? "    " : "│   "}`)];
  });
}

/** What `gantry inspect` shows, line by line. */
export function inspectionLines({ name, descriptor, artifactType, ...found }: Inspection): string[] {
  const branches: Branch[] = [
    ...found.images.map(describeImage),
    ...found.artifacts.map(describeArtifact),
    ...found.missing.map(({ digest, platform }) => ({
      text: `${isDigest(digest) ? "missing" : "unverifiable"}  ${digest}${platform ? `  ${printable(formatPlatform(platform))}` : ""}`,
    })),
    ...(found.referrers ?? []).map(({ digest, artifactType, mediaType, size }) => ({
      text: `referrer  ${digest}  ${printable(artifactType ?? mediaType)}  ${formatBytes(size)}`,
    })),
  ];
  const type = artifactType ? `${descriptor.mediaType} (${artifactType})` : descriptor.mediaType;
  return [printable(name), `digest  ${descriptor.digest}`, `type    ${printable(type)}`, ...draw(branches)];
}

const row = (label: string, value: string | undefined): Branch[] =>
  value ? [{ text: `${label.padEnd(12)}${printable(value)}` }] : [];

/** A branch with a line for each item; none where there are no items. */
const list = (text: string, items: readonly string[] = []): Branch[] =>
  items.length > 0 ? [{ text, below: items.map((item) => ({ text: printable(item) })) }] : [];

const layerBranch = (layers: readonly Descriptor[], what: string, show: (layer: Descriptor) => string): Branch => {
  const size = layers.reduce((sum, layer) => sum + layer.size, 0);
  const below = layers.map((layer) => ({
    text: `${layer.digest}  ${formatBytes(layer.size).padStart(10)}${printable(show(layer))}`,
  }));
  return { text: `layers      ${layers.length}, ${formatBytes(size)}${what}`, below };
};

function describeImage({ descriptor, platform, created, config, ...image }: ImageSummary): Branch {
  const words = (values: readonly string[] | undefined): string | undefined =>
    values?.length ? JSON.stringify(values) : undefined;
  return {
    text: `${printable(formatPlatform(platform))}  ${descriptor.digest}`,
    below: [
      {
        text: `config      ${image.configDescriptor.digest}  ${formatBytes(image.configDescriptor.size)}`,
        below: [
          ...row("created", created),
          ...row("user", config?.User),
          ...row("workdir", config?.WorkingDir),
          ...row("entrypoint", words(config?.Entrypoint)),
          ...row("cmd", words(config?.Cmd)),
          ...list("env", config?.Env),
        ],
      },
      layerBranch(image.layers, " compressed", () => ""),
      ...list(`history     ${image.history?.length} steps`, image.history?.map(describeStep)),
    ],
  };
}

function describeStep({ created, created_by, comment, empty_layer }: History): string {
  const done = created_by || comment || "no step recorded";
  return [created ?? "", done, empty_layer ? "(no layer)" : ""].filter(Boolean).join("  ");
}

function describeArtifact({ annotations, digest, ...artifact }: ArtifactSummary): Branch {
  const kind = isAttestation({ annotations }) ? "attestation" : "artifact";
  const title = (layer: Descriptor): string => {
    const name = layer.annotations?.[annotationKeys.title] ?? layer.annotations?.["in-toto.io/predicate-type"];
    return `  ${layer.mediaType}${name === undefined ? "" : `  ${name}`}`;
  };
  return {
    text: `${kind}  ${digest}  ${printable(artifact.artifactType ?? artifact.mediaType)}`,
    below: [
      ...row("about", artifact.about),
      ...(artifact.layers.length > 0 ? [layerBranch(artifact.layers, "", title)] : []),
    ],
  };
}
