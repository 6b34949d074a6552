import { createHash, randomBytes } from "node:crypto";
import { lstatSync, readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/**
 * Names of temporary files and directories say which process made them, so that another process can remove those of a
 * killed process, and only those. A process is identified by host, boot, pid namespace, pid and start time: a pid alone
 * means nothing in another container, and the system reuses it.
 */

/** Stands in a temporary name between the final name of the file and its owner. */
const MARK = ".gantry-";
const TOKEN = /^([0-9a-f]{8})-([0-9a-f]{8})-(\d+)-(\d+)-([0-9a-z]+)-[0-9a-f]{12}$/;
/** A file of another host or container, whose owner cannot be looked up, is abandoned after this time. */
const FORGOTTEN_MS = 24 * 60 * 60 * 1000;

interface Process {
  readonly host: string;
  readonly boot: string;
  readonly namespace: string;
  readonly pid: string;
  readonly start: string;
}

const short = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 8);

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};

/**
 * The start time of a process in ticks since the boot; "0" if only its existence is known, empty if it does not run,
 * undefined if that cannot be looked up.
 */
function startOf(pid: string): string | undefined {
  if (process.platform !== "linux") return alive(Number(pid)) ? "0" : "";
  const stat = read(`/proc/${pid}/stat`);
  if (stat === "") return read("/proc/self/stat") === "" ? undefined : "";
  // Field 22, counted after the name, which may hold spaces and parentheses. Z and X are processes that have ended.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? "" : Number(fields[19]).toString(36);
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

let self: Process | undefined;

function own(): Process {
  self ??= {
    host: short(`${read("/etc/machine-id")} ${hostname()}`),
    boot: short(read("/proc/sys/kernel/random/boot_id")),
    namespace: /\d+/.exec(link("/proc/self/ns/pid"))?.[0] ?? "0",
    pid: String(process.pid),
    start: startOf(String(process.pid)) || "0",
  };
  return self;
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** The most bytes of the final name that are kept: file names have at most 255 bytes, and the owner follows. */
const STEM = 140;

interface NameOptions {
  /** The name begins with a dot. */
  readonly hidden?: boolean | undefined;
}

function stem(name: string, { hidden }: NameOptions): string {
  const bytes = Buffer.from(name);
  // A character that the cut halves is dropped.
  const base = bytes.length <= STEM ? name : bytes.toString("utf8", 0, STEM).replace(/\ufffd+$/, "");
  return `${hidden ? "." : ""}${base}${MARK}`;
}

/** A new name for a temporary file that will be renamed to `name`. */
export function temporaryName(name: string, options: NameOptions = {}): string {
  const { host, boot, namespace, pid, start } = own();
  return stem(name, options) + [host, boot, namespace, pid, start, randomBytes(6).toString("hex")].join("-");
}

/** Whether an entry of a directory has a name that {@link temporaryName} made for `name`. */
export function isTemporaryName(entry: string, name: string, options: NameOptions = {}): boolean {
  const prefix = stem(name, options);
  return entry.startsWith(prefix) && TOKEN.test(entry.slice(prefix.length));
}

/** Whether an entry of a directory has a name that {@link temporaryName} made. */
export function isTemporary(entry: string): boolean {
  return TOKEN.test(entry.slice(entry.lastIndexOf(MARK) + MARK.length)) && entry.includes(MARK);
}

/**
 * Whether the process that made a temporary file has ended. False if it may still run, and for names that are not
 * temporary.
 * @param path the file; its age decides if the process cannot be looked up
 */
export function isAbandoned(path: string): boolean {
  const match = TOKEN.exec(path.slice(path.lastIndexOf(MARK) + MARK.length));
  if (!match) return false;
  const [, host, boot, namespace, pid, start] = match;
  const me = own();
  if (host === me.host && boot === me.boot && namespace === me.namespace) {
    const found = startOf(pid!);
    if (found !== undefined) return found === "" || (found !== start && start !== "0");
  }
  // This host was rebooted since, so the process has ended.
  if (host === me.host && boot !== me.boot && me.boot !== short("")) return true;
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs > FORGOTTEN_MS;
}
