/**
 * Paths of the tree are relative to its root and hold one character a byte (latin1), so that any name can be a key.
 * The root is "".
 */

/** A path for system calls. */
export type FsPath = string | Buffer;

export const join = (directory: string, name: string): string => (directory === "" ? name : `${directory}/${name}`);

/** A path for messages. */
export const shown = (path: string): string => JSON.stringify(Buffer.from(path, "latin1").toString("utf8"));
