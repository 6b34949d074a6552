/** The headings of `gantry --help`, in their order. */
export const commandGroups = [
  "Move images",
  "Look at images",
  "Names in registries",
  "Local store",
  "File systems",
  "Registries",
  "Help",
] as const;

export type CommandGroup = (typeof commandGroups)[number];
