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

function describe({ name, descriptor, images, artifacts, missing }: Inspection): string {
  const lines = [printable(name), `  digest  ${descriptor.digest}`, `  type    ${printable(descriptor.mediaType)}`];
  for (const image of images) lines.push(...describeImage(image));
  for (const { digest, mediaType } of artifacts) lines.push(`  artifact  ${digest}  ${printable(mediaType)}`);
  for (const { digest, platform } of missing)
    lines.push(`  missing  ${digest}  ${platform ? printable(formatPlatform(platform)) : ""}`);
  return `${lines.join("\n")}\n`;
}

function describeImage({ descriptor, platform, created, config, layers, size }: ImageSummary): string[] {
  const row = (label: string, value: string | undefined): string[] =>
    value ? [`    ${label.padEnd(12)}${printable(value)}`] : [];
  const list = (values: readonly string[] | undefined): string | undefined =>
    values?.length ? JSON.stringify(values) : undefined;
  return [
    `  ${printable(formatPlatform(platform))}  ${descriptor.digest}`,
    ...row("created", created),
    ...row("user", config?.User),
    ...row("workdir", config?.WorkingDir),
    ...row("entrypoint", list(config?.Entrypoint)),
    ...row("cmd", list(config?.Cmd)),
    `    layers      ${layers.length}, ${formatBytes(size)} compressed`,
    ...layers.map((layer) => `      ${layer.digest}  ${formatBytes(layer.size).padStart(10)}`),
  ];
}
