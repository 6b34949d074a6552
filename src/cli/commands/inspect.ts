import { buildCommand, type Command } from "@stricli/core";
import { formatBytes, printable } from "../../base/text.ts";
import { formatPlatform } from "../../images/platform.ts";
import { type ImageSummary, type Inspection, inspect } from "../../verbs/inspect.ts";
import type { Context } from "../context.ts";
import { type LookFlags, locationArgument, lookFlags, lookOptions } from "../look.ts";
import { session } from "../session.ts";

export const inspectCommand: Command<Context> = buildCommand({
  docs: { brief: "Show an image: its platforms, layers with sizes, and what it runs" },
  parameters: { flags: lookFlags, positional: locationArgument },
  func(this: Context, flags: LookFlags, location: string) {
    return session(this, flags, async (io) => {
      const inspection = await inspect(location, lookOptions(flags, io));
      if (flags.json) io.json(inspection);
      else io.print(describe(inspection));
    });
  },
});

/** A line of the tree, with what hangs below it. */
interface Branch {
  readonly text: string;
  readonly below?: readonly Branch[];
}

function draw(branches: readonly Branch[], indent = ""): string[] {
  return branches.flatMap(({ text, below = [] }, at) => {
    const last = at === branches.length - 1;
    return [`${indent}${last ? "└── " : "├── "}${text}`, ...draw(below, `${indent}${last ? "    " : "│   "}`)];
  });
}

function describe({ name, descriptor, images, artifacts, missing, referrers }: Inspection): string {
  const branches: Branch[] = [
    ...images.map(describeImage),
    ...artifacts.map(({ digest, mediaType }) => ({ text: `artifact  ${digest}  ${printable(mediaType)}` })),
    ...missing.map(({ digest, platform }) => ({
      text: `missing  ${digest}${platform ? `  ${printable(formatPlatform(platform))}` : ""}`,
    })),
    ...(referrers ?? []).map(({ digest, artifactType, mediaType, size }) => ({
      text: `referrer  ${digest}  ${printable(artifactType ?? mediaType)}  ${formatBytes(size)}`,
    })),
  ];
  const head = [printable(name), `digest  ${descriptor.digest}`, `type    ${printable(descriptor.mediaType)}`];
  return `${[...head, ...draw(branches)].join("\n")}\n`;
}

function describeImage({
  descriptor,
  platform,
  created,
  config,
  configDescriptor,
  layers,
  size,
}: ImageSummary): Branch {
  const row = (label: string, value: string | undefined): Branch[] =>
    value ? [{ text: `${label.padEnd(12)}${printable(value)}` }] : [];
  const list = (values: readonly string[] | undefined): string | undefined =>
    values?.length ? JSON.stringify(values) : undefined;
  return {
    text: `${printable(formatPlatform(platform))}  ${descriptor.digest}`,
    below: [
      {
        text: `config      ${configDescriptor.digest}  ${formatBytes(configDescriptor.size)}`,
        below: [
          ...row("created", created),
          ...row("user", config?.User),
          ...row("workdir", config?.WorkingDir),
          ...row("entrypoint", list(config?.Entrypoint)),
          ...row("cmd", list(config?.Cmd)),
        ],
      },
      {
        text: `layers      ${layers.length}, ${formatBytes(size)} compressed`,
        below: layers.map((layer) => ({ text: `${layer.digest}  ${formatBytes(layer.size).padStart(10)}` })),
      },
    ],
  };
}
