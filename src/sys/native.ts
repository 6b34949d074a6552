import { createRequire } from "node:module";
import { GantryError, messageOf } from "../base/error.ts";

/**
 * The system calls that Node lacks, made through the optional package koffi, which is loaded at first use. Every function
 * takes paths as strings or raw bytes, never follows a link in the last component, and throws an Error whose `code`
 * is the errno name, as node:fs does.
 */
export interface Native {
  mknod(path: string | Buffer, mode: number, major: number, minor: number): void;
  lsetxattr(path: string | Buffer, name: string | Buffer, value: Buffer): void;
  /** The value; undefined if the attribute is missing. */
  lgetxattr(path: string | Buffer, name: string | Buffer): Buffer | undefined;
  llistxattr(path: string | Buffer): Buffer[];
  lremovexattr(path: string | Buffer, name: string | Buffer): void;
  /** Sets the modification time, and the access time with it, to the nanosecond. */
  lutimens(path: string | Buffer, seconds: bigint, nanoseconds: number): void;
}

const errnoNames: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  7: "E2BIG",
  12: "ENOMEM",
  13: "EACCES",
  17: "EEXIST",
  20: "ENOTDIR",
  22: "EINVAL",
  28: "ENOSPC",
  30: "EROFS",
  34: "ERANGE",
  36: "ENAMETOOLONG",
  40: "ELOOP",
  61: "ENODATA",
  95: "ENOTSUP",
  122: "EDQUOT",
};

let loaded: Native | undefined;
let failure: GantryError | undefined;

/** @throws NATIVE_UNAVAILABLE on systems other than Linux, and if koffi is not installed */
export function native(): Native {
  if (!loaded && !failure) {
    try {
      loaded = load();
    } catch (error) {
      failure = new GantryError("NATIVE_UNAVAILABLE", messageOf(error), { cause: error });
    }
  }
  if (loaded) return loaded;
  throw new GantryError(
    "NATIVE_UNAVAILABLE",
    `this operation needs Linux and the optional package koffi (${failure!.message}); install gantry without --omit=optional`,
    { cause: failure },
  );
}

export function hasNative(): boolean {
  try {
    native();
    return true;
  } catch {
    return false;
  }
}

type Call = (...values: unknown[]) => number;

function load(): Native {
  if (process.platform !== "linux") throw new Error(`this is ${process.platform}`);
  // Bundled as CommonJS, a file has no import.meta.url.
  const koffi = createRequire(import.meta.url ?? __filename)("koffi") as typeof import("koffi");
  const libc = koffi.load(null);
  const bind = (signature: string): Call => libc.func(signature) as unknown as Call;
  const c = {
    mknod: bind("int mknod(const void *path, uint32_t mode, uint64_t dev)"),
    lsetxattr: bind("int lsetxattr(const void *path, const void *name, const void *value, size_t size, int flags)"),
    lgetxattr: bind("intptr_t lgetxattr(const void *path, const void *name, void *value, size_t size)"),
    llistxattr: bind("intptr_t llistxattr(const void *path, void *list, size_t size)"),
    lremovexattr: bind("int lremovexattr(const void *path, const void *name)"),
    utimensat: bind("int utimensat(int dirfd, const void *path, const int64_t *times, int flags)"),
  };
  const cString = (text: string | Buffer): Buffer => {
    const bytes = typeof text === "string" ? Buffer.from(text) : text;
    if (bytes.includes(0)) throw Object.assign(new Error("EINVAL: a name with a NUL"), { code: "EINVAL" });
    return Buffer.concat([bytes, Buffer.alloc(1)]);
  };
  const failed = (call: string, path: string | Buffer): Error => {
    const errno = koffi.errno();
    const code = errnoNames[errno] ?? `E${errno}`;
    return Object.assign(new Error(`${code}: ${call} '${path}'`), { code, errno: -errno, syscall: call });
  };
  /** Retries with larger buffers: the kernel answers ERANGE until the list or value fits. */
  const readInto = (call: string, path: string | Buffer, read: (into: Buffer) => number): Buffer | undefined => {
    for (let size = 1024; ; size *= 8) {
      const into = Buffer.alloc(size);
      const length = read(into);
      if (length >= 0) return into.subarray(0, length);
      const error = failed(call, path) as Error & { code: string };
      if (error.code === "ENODATA") return undefined;
      if (error.code !== "ERANGE" || size > 1 << 20) throw error;
    }
  };
  return {
    mknod(path, mode, major, minor) {
      if (c.mknod(cString(path), mode, makeDevice(major, minor)) < 0) throw failed("mknod", path);
    },
    lsetxattr(path, name, value) {
      if (c.lsetxattr(cString(path), cString(name), value, value.length, 0) < 0) throw failed("lsetxattr", path);
    },
    lgetxattr(path, name) {
      const [p, n] = [cString(path), cString(name)];
      return readInto("lgetxattr", path, (into) => c.lgetxattr(p, n, into, into.length));
    },
    llistxattr(path) {
      const p = cString(path);
      const list = readInto("llistxattr", path, (into) => c.llistxattr(p, into, into.length)) ?? Buffer.alloc(0);
      const names: Buffer[] = [];
      for (let at = 0; at < list.length; ) {
        const end = list.indexOf(0, at);
        names.push(list.subarray(at, end));
        at = end + 1;
      }
      return names;
    },
    lremovexattr(path, name) {
      if (c.lremovexattr(cString(path), cString(name)) < 0) throw failed("lremovexattr", path);
    },
    lutimens(path, seconds, nanoseconds) {
      const time = [seconds, BigInt(nanoseconds)] as const;
      // AT_FDCWD, AT_SYMLINK_NOFOLLOW
      if (c.utimensat(-100, cString(path), BigInt64Array.of(...time, ...time), 0x100) < 0)
        throw failed("utimensat", path);
    },
  };
}

/** The kernel's 64-bit device number: glibc's makedev. */
export function makeDevice(major: number, minor: number): bigint {
  const [a, i] = [BigInt(major), BigInt(minor)];
  return ((a & 0xfffff000n) << 32n) | ((a & 0xfffn) << 8n) | ((i & 0xffffff00n) << 12n) | (i & 0xffn);
}
