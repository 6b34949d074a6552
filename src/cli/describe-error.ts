import { isGantryError, messageOf } from "../base/error.ts";
import { printable, printableText } from "../base/text.ts";
import { styleOf } from "./style.ts";

/** What stderr says about an error that ended a command. */
export function describeError(error: unknown): string {
  const gantry = styleOf(process.stderr).red("gantry:");
  if (!isGantryError(error)) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `${gantry} internal error, please report it: ${printable(messageOf(error))}\n${printableText(detail)}`;
  }
  const side = error.origin === "source" || error.origin === "destination" ? `${error.origin}: ` : "";
  return `${gantry} ${side}${printable(error.message)} [${error.code}]`;
}
