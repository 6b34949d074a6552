import { GantryError, isGantryError } from "../base/error.ts";
import { fileSystemError } from "../sys/fs-error.ts";

/** Makes an error of the file system name the directory that the user asked for, instead of the staging directory. */
export async function unpackError(thrown: unknown, staging: string, target: string): Promise<unknown> {
  const error = await fileSystemError(thrown, "unpacking to", staging);
  if (!isGantryError(error, "FILE_SYSTEM", "NO_SPACE")) return error;
  return new GantryError(error.code, error.message.replaceAll(staging, target), {
    cause: error.cause,
    details: { ...error.details, path: target },
  });
}
