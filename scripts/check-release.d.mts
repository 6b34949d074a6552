export function releaseFaults(directory: string, tag: string | undefined): string[];
