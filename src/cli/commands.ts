import type { CommandEntry, CommandTable } from "./command.ts";

/** Every command. The order is that of the help. */
export const commands: CommandTable = {
  pull: {
    group: "Move images",
    brief: "Pull an image from a registry into the local store",
    load: async () => (await import("./commands/pull.ts")).pullCommand,
  },
  push: {
    group: "Move images",
    brief: "Push an image from the local store to a registry",
    load: async () => (await import("./commands/push.ts")).pushCommand,
  },
  cp: {
    group: "Move images",
    brief: "Copy an image between registries, layouts and the local store",
    load: async () => (await import("./commands/cp.ts")).cpCommand,
  },
  inspect: {
    group: "Look at images",
    brief: "Show the platforms, layers and configuration of an image",
    load: async () => (await import("./commands/inspect.ts")).inspectCommand,
  },
  digest: {
    group: "Look at images",
    brief: "Print the digest of an image",
    load: async () => (await import("./commands/digest.ts")).digestCommand,
  },
  manifest: {
    group: "Look at images",
    brief: "Print the manifest or index of an image",
    load: async () => (await import("./commands/manifest.ts")).manifestCommand,
  },
  config: {
    group: "Look at images",
    brief: "Print the configuration of an image",
    load: async () => (await import("./commands/config.ts")).configCommand,
  },
  blob: {
    group: "Look at images",
    brief: "Print a blob, verified",
    load: async () => (await import("./commands/blob.ts")).blobCommand,
  },
  referrers: {
    group: "Look at images",
    brief: "List the signatures, SBOMs and attestations of an image",
    load: async () => (await import("./commands/referrers.ts")).referrersCommand,
  },
  ls: {
    group: "Names in registries",
    brief: "List the tags of a repository",
    load: async () => (await import("./commands/ls.ts")).lsCommand,
  },
  catalog: {
    group: "Names in registries",
    brief: "List the repositories of a registry",
    load: async () => (await import("./commands/catalog.ts")).catalogCommand,
  },
  tag: {
    group: "Names in registries",
    brief: "Add tags to an image",
    load: async () => (await import("./commands/tag.ts")).tagCommand,
  },
  rm: {
    group: "Names in registries",
    brief: "Delete tags or manifests from a registry",
    load: async () => (await import("./commands/rm.ts")).rmCommand,
  },
  images: {
    group: "Local store",
    brief: "List, label, remove and check the images of the local store",
    standard: "ls",
    commands: {
      ls: images("List the images of the store", async () => (await import("./commands/images/ls.ts")).lsCommand),
      label: images(
        "Set or remove labels of an image",
        async () => (await import("./commands/images/label.ts")).labelCommand,
      ),
      rm: images("Remove names from the store", async () => (await import("./commands/images/rm.ts")).rmCommand),
      gc: images("Remove blobs that no image needs", async () => (await import("./commands/images/gc.ts")).gcCommand),
      fsck: images(
        "Verify every blob and image of the store",
        async () => (await import("./commands/images/fsck.ts")).fsckCommand,
      ),
    },
  },
  unpack: {
    group: "File systems",
    brief: "Unpack an image into a root file system",
    load: async () => (await import("./commands/unpack.ts")).unpackCommand,
  },
  serve: {
    group: "Registries",
    brief: "Serve a layout or the local store as a registry",
    load: async () => (await import("./commands/serve.ts")).serveCommand,
  },
  login: {
    group: "Registries",
    brief: "Log in to a registry",
    load: async () => (await import("./commands/login.ts")).loginCommand,
  },
  logout: {
    group: "Registries",
    brief: "Remove the stored credentials of a registry",
    load: async () => (await import("./commands/logout.ts")).logoutCommand,
  },
  ratelimit: {
    group: "Registries",
    brief: "Show how many pulls a registry still allows",
    load: async () => (await import("./commands/ratelimit.ts")).ratelimitCommand,
  },
  explain: {
    group: "Registries",
    brief: "Show how an image would be reached, and why",
    load: async () => (await import("./commands/explain.ts")).explainCommand,
  },
  completion: {
    group: "Help",
    brief: "Print a script that completes commands in your shell",
    load: async () => (await import("./commands/completion.ts")).completionCommand,
  },
  help: {
    group: "Help",
    brief: "Show the help of a command",
    load: async () => (await import("./commands/help.ts")).helpCommand,
  },
  version: {
    group: "Help",
    brief: "Print the version",
    load: async () => (await import("./commands/version.ts")).versionCommand,
  },
};

function images(brief: string, load: CommandEntry["load"]): CommandEntry {
  return { group: "Local store", brief, load };
}
