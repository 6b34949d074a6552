export function pack(directory: string): string;
export function installPacked(directory: string, options?: { optional?: boolean }): void;
