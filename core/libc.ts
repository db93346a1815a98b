// Linux's system calls, as far as dirsync needs them and Deno has none of its own: relative to directory handles, exact to the
// nanosecond, names as bytes. Synchronous foreign calls cost 0.2 us. Everything that goes in or out by address lies in one page-aligned block of memory for
// each file system, so that no call allocates.

/** Numbers that differ between the processors Linux runs on. */
interface Machine {
  readonly O_DIRECTORY: number;
  readonly O_NOFOLLOW: number;
  readonly SYS_statx: number;
  readonly SYS_getdents64: number;
  readonly SYS_renameat2: number;
}

const MACHINES: Partial<Record<string, Machine>> = {
  x86_64: {
    O_DIRECTORY: 0o200000,
    O_NOFOLLOW: 0o400000,
    SYS_statx: 332,
    SYS_getdents64: 217,
    SYS_renameat2: 316,
  },
  aarch64: {
    O_DIRECTORY: 0o40000,
    O_NOFOLLOW: 0o100000,
    SYS_statx: 291,
    SYS_getdents64: 61,
    SYS_renameat2: 276,
  },
};

/** Numbers that are the same everywhere. */
export const C = {
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_NONBLOCK: 0o4000,
  O_CLOEXEC: 0o2000000,
  O_PATH: 0o10000000,
  AT_FDCWD: -100,
  AT_SYMLINK_NOFOLLOW: 0x100,
  AT_REMOVEDIR: 0x200,
  AT_EMPTY_PATH: 0x1000,
  STATX_BASIC_STATS: 0x7ff,
  RENAME_NOREPLACE: 1,
  RENAME_EXCHANGE: 2,
  RESOLVE_NO_MAGICLINKS: 2,
  RESOLVE_NO_SYMLINKS: 4,
  RESOLVE_BENEATH: 8,
  SEEK_DATA: 3,
  S_IFMT: 0o170000,
  S_IFDIR: 0o040000,
  S_IFREG: 0o100000,
  S_IFLNK: 0o120000,
  FICLONERANGE: 0x4020940d,
  UTIME_OMIT: 0x3ffffffe,
  SYS_openat2: 437,
  SYS_fchmodat2: 452,
  SYS_listxattrat: 465,
  PATH_MAX: 4096,
} as const;

const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

// What is returned as a long is never larger than an int here.
const INT = "i32", ADDRESS = "usize";
const SYMBOLS = {
  __errno_location: { parameters: [], result: "pointer" },
  // One of every shape in which the kernel is asked directly.
  syscall: { parameters: ["usize", INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS], result: INT },
  openat: { parameters: [INT, ADDRESS, INT, INT], result: INT },
  close: { parameters: [INT], result: INT },
  pread: { parameters: [INT, "buffer", "usize", "i64"], result: INT },
  pwrite: { parameters: [INT, "buffer", "usize", "i64"], result: INT },
  ioctl: { parameters: [INT, "usize", ADDRESS], result: INT },
  lseek: { parameters: [INT, "i64", INT], result: "i64" },
  ftruncate: { parameters: [INT, "i64"], result: INT },
  fchmod: { parameters: [INT, INT], result: INT },
  chmod: { parameters: [ADDRESS, INT], result: INT },
  futimens: { parameters: [INT, ADDRESS], result: INT },
  utimensat: { parameters: [INT, ADDRESS, ADDRESS, INT], result: INT },
  fchownat: { parameters: [INT, ADDRESS, "u32", "u32", INT], result: INT },
  mkdirat: { parameters: [INT, ADDRESS, INT], result: INT },
  symlinkat: { parameters: [ADDRESS, INT, ADDRESS], result: INT },
  linkat: { parameters: [INT, ADDRESS, INT, ADDRESS, INT], result: INT },
  unlinkat: { parameters: [INT, ADDRESS, INT], result: INT },
  renameat: { parameters: [INT, ADDRESS, INT, ADDRESS], result: INT },
  readlinkat: { parameters: [INT, ADDRESS, ADDRESS, "usize"], result: INT },
  fsync: { parameters: [INT], result: INT },
  syncfs: { parameters: [INT], result: INT },
  llistxattr: { parameters: [ADDRESS, ADDRESS, "usize"], result: INT },
  listxattr: { parameters: [ADDRESS, ADDRESS, "usize"], result: INT },
  getxattr: { parameters: [ADDRESS, ADDRESS, ADDRESS, "usize"], result: INT },
  setxattr: { parameters: [ADDRESS, ADDRESS, ADDRESS, "usize", INT], result: INT },
  removexattr: { parameters: [ADDRESS, ADDRESS], result: INT },
  inotify_init1: { parameters: [INT], result: INT },
  inotify_add_watch: { parameters: [INT, ADDRESS, "u32"], result: INT },
  inotify_rm_watch: { parameters: [INT, INT], result: INT },
  recv: { parameters: [INT, "buffer", "usize", INT], result: INT },
  send: { parameters: [INT, "buffer", "usize", INT], result: INT },
  shutdown: { parameters: [INT, INT], result: INT },
  copy_file_range: {
    parameters: [INT, "buffer", INT, "buffer", "usize", "u32"],
    result: INT,
    // Older libraries have none.
    optional: true,
  },
  eventfd: { parameters: ["u32", INT], result: INT },
  read: { parameters: [INT, ADDRESS, "usize"], result: INT },
  write: { parameters: [INT, "buffer", "usize"], result: INT },
  // The one call that waits: on a thread of its own.
  poll: { parameters: ["buffer", "usize", INT], result: INT, nonblocking: true },
  getpwuid: { parameters: ["u32"], result: "pointer" },
  getgrgid: { parameters: ["u32"], result: "pointer" },
  getpwnam: { parameters: ["buffer"], result: "pointer" },
  getgrnam: { parameters: ["buffer"], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

type Symbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
/** Deno's types ask for bigint where its calls take numbers as well, which are much cheaper. */
type WithNumbers<F> = F extends (...args: infer A) => infer R
  ? (...args: { [K in keyof A]: A[K] extends bigint ? number : A[K] }) => R
  : never;

/** The C library, and the numbers of this machine. */
export interface Libc {
  readonly call: { readonly [K in keyof Symbols]: WithNumbers<Symbols[K]> };
  readonly machine: Machine;
  /** Why the last call failed. */
  errno(): number;
}

let loaded: Libc | undefined | null = null;

/** The library, or undefined where there is none: other systems and processors, or no permission for foreign functions. */
export function loadLibc(): Libc | undefined {
  return loaded === null ? loaded = load() : loaded;
}

function load(): Libc | undefined {
  const machine = MACHINES[Deno.build.arch];
  if (Deno.build.os !== "linux" || !machine) return undefined;
  for (const name of LIBRARIES) {
    try {
      const { symbols } = Deno.dlopen(name, SYMBOLS);
      // The place is this thread's own, as this module is.
      const place = new Deno.UnsafePointerView(symbols.__errno_location()!);
      return { call: symbols as unknown as Libc["call"], machine, errno: () => place.getInt32() };
    } catch {
      // Another library, or none.
    }
  }
  return undefined;
}

type ErrorClass = new (message: string) => Error;
const { AlreadyExists, Busy, FilesystemLoop, IsADirectory, NotADirectory, NotFound, PermissionDenied } = Deno.errors;

/** What the errors of calls are called, and the class that Deno has for them. */
const ERRORS: Partial<Record<number, readonly [code: string, text: string, type?: ErrorClass]>> = {
  1: ["EPERM", "Operation not permitted", PermissionDenied],
  2: ["ENOENT", "No such file or directory", NotFound],
  4: ["EINTR", "Interrupted system call", Deno.errors.Interrupted],
  5: ["EIO", "Input/output error"],
  7: ["E2BIG", "Argument list too long"],
  9: ["EBADF", "Bad file descriptor", Deno.errors.BadResource],
  11: ["EAGAIN", "Resource temporarily unavailable"],
  12: ["ENOMEM", "Cannot allocate memory"],
  13: ["EACCES", "Permission denied", PermissionDenied],
  16: ["EBUSY", "Device or resource busy", Busy],
  17: ["EEXIST", "File exists", AlreadyExists],
  18: ["EXDEV", "Invalid cross-device link"],
  20: ["ENOTDIR", "Not a directory", NotADirectory],
  21: ["EISDIR", "Is a directory", IsADirectory],
  22: ["EINVAL", "Invalid argument", TypeError],
  23: ["ENFILE", "Too many open files in system"],
  24: ["EMFILE", "Too many open files"],
  26: ["ETXTBSY", "Text file busy"],
  27: ["EFBIG", "File too large"],
  28: ["ENOSPC", "No space left on device"],
  30: ["EROFS", "Read-only file system"],
  31: ["EMLINK", "Too many links"],
  32: ["EPIPE", "Broken pipe"],
  34: ["ERANGE", "Numerical result out of range"],
  36: ["ENAMETOOLONG", "File name too long"],
  38: ["ENOSYS", "Function not implemented"],
  39: ["ENOTEMPTY", "Directory not empty"],
  40: ["ELOOP", "Too many levels of symbolic links", FilesystemLoop],
  61: ["ENODATA", "No data available"],
  75: ["EOVERFLOW", "Value too large for defined data type"],
  95: ["EOPNOTSUPP", "Operation not supported"],
  104: ["ECONNRESET", "Connection reset by peer", Deno.errors.ConnectionReset],
  110: ["ETIMEDOUT", "Connection timed out", Deno.errors.TimedOut],
  113: ["EHOSTUNREACH", "No route to host"],
  116: ["ESTALE", "Stale file handle"],
  122: ["EDQUOT", "Disk quota exceeded"],
};

/** The numbers of the errors that are looked at. */
export const E = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  ENXIO: 6,
  EAGAIN: 11,
  EACCES: 13,
  EXDEV: 18,
  ENOTDIR: 20,
  EINVAL: 22,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ELOOP: 40,
  ENODATA: 61,
  EOPNOTSUPP: 95,
} as const;

/** The error that Deno would throw where the call `call` on `path` fails so. */
export function errorOf(errno: number, call: string, path: string): Error {
  const [code, text, type = Error] = ERRORS[errno] ?? [`E${errno}`, "The system refuses"];
  return Object.assign(new type(`${text} (os error ${errno}): ${call} '${path}'`), { code });
}
