// Handles of directories below a root, which is where every operation of the POSIX layer starts. The kernel resolves a path
// beneath the root and refuses symbolic links on the way, so whoever swaps a directory for a link while we work leads us
// nowhere else; where it cannot (before Linux 5.6, or in a sandbox), we go name by name and refuse links ourselves.
//
// Handles are kept until the event loop has its next turn, and no longer: hundreds of files of one directory need one, and
// nobody can move a directory away and have us work in it later. The root's own is kept for good, or (`reopen`) no longer
// either: what is mounted there can be unmounted meanwhile, and what is there then is what is found.

import { atNextTurn } from "./clock.ts";
import { C, E, errorOf, type Libc } from "./libc.ts";
import { isWithin, nameOf, namesOf, parentOf, type RelPath, ROOT, textIn, toBytes } from "./path.ts";

/** Handles kept at most. */
const MOST_KEPT = 16;
/** How often the kernel is asked again when a rename elsewhere made it unsure whether a path stays beneath the root. */
const TRIES = 100;

/** Where in the scratch memory things lie; each place has room for a path. */
const PLACE = 8192;
const NAME = 0, SECOND_NAME = PLACE, PATH = 2 * PLACE, HOW = 3 * PLACE, STRUCT = HOW + 64, TIMES = STRUCT + 512;
/** Where what is large goes: directory entries, attributes. */
export const LARGE = 4 * PLACE;
const SCRATCH_PAGES = 3;
/** Bytes of that room. */
export const LARGE_BYTES = SCRATCH_PAGES * 65536 - LARGE;

/** How the directories below a root are opened. */
export interface DirsOptions {
  /** Go name by name even where the kernel can do better; for tests. @default {false} */
  readonly walk?: boolean;
  /** Keep no handle of the root between two stretches of work, so that it can be unmounted. @default {false} */
  readonly reopen?: boolean;
}

/** A directory's handle and, in the scratch memory, the address of a name in it. */
export interface At {
  readonly fd: number;
  readonly name: number;
}

/** The directories below one root. */
export class PosixDirs implements Disposable {
  readonly libc: Libc;
  /** Scratch memory; page-aligned, and never moved. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  /** Address of the scratch memory. */
  readonly base: number;
  readonly #path: string;
  readonly #reopen: boolean;
  /** Handle of the root; negative where it is not open now. */
  #root = -1;
  readonly #kept = new Map<RelPath, number>();
  readonly #encoder = new TextEncoder();
  #openat2: boolean;
  #closed = false;
  /** Whether `forget` will be called at the next turn. */
  #isToForget = false;

  /**
   * @param root Absolute path of the root, its symbolic links resolved.
   * @throws {Error} If it cannot be opened.
   */
  constructor(root: string, libc: Libc, { walk = false, reopen = false }: DirsOptions = {}) {
    this.libc = libc;
    this.#path = root;
    this.#reopen = reopen;
    const memory = new WebAssembly.Memory({ initial: SCRATCH_PAGES });
    this.bytes = new Uint8Array(memory.buffer as ArrayBuffer);
    this.view = new DataView(memory.buffer);
    this.base = Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(this.bytes)));
    this.#openat2 = !walk;
    this.#openRoot("open");
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#forgetAll();
    this.#closed = true;
    if (this.#root >= 0) this.libc.call.close(this.#root);
  }

  /** The directory that holds `path`, and the name of `path` in it; "." for the root. */
  parentOf(path: RelPath, call: string): At {
    return {
      fd: this.handle(parentOf(path), call),
      name: path === ROOT ? this.#text(".", NAME) : this.name(nameOf(path)),
    };
  }

  /** The same for a second path in one call. */
  secondParentOf(path: RelPath, call: string): At {
    const name = path === ROOT ? this.#text(".", SECOND_NAME) : this.#text(nameOf(path), SECOND_NAME);
    return { fd: this.handle(parentOf(path), call), name };
  }

  /** A name in the scratch memory. */
  name(name: string): number {
    return this.#text(name, NAME);
  }

  /** A text in the scratch memory, in the second place. */
  text(text: string): number {
    return this.#text(text, SECOND_NAME);
  }

  /** The handle of the directory at `dir`, if there is one now; not the caller's to close. */
  kept(dir: RelPath): number | undefined {
    return dir === ROOT && this.#root >= 0 ? this.#root : this.#kept.get(dir);
  }

  /** A handle (O_PATH) of the directory at `dir`; not the caller's to close. */
  handle(dir: RelPath, call: string): number {
    if (this.#closed) throw new Deno.errors.BadResource("The file system is closed");
    if (this.#root < 0) this.#openRoot(call);
    if (dir === ROOT) return this.#root;
    const kept = this.#kept.get(dir);
    if (kept !== undefined) {
      // The one that was used last stays longest: a call that works with two must not lose the first to the second.
      this.#kept.delete(dir);
      this.#kept.set(dir, kept);
      return kept;
    }
    const fd = this.#open(
      dir,
      C.O_PATH | C.O_CLOEXEC | this.libc.machine.O_DIRECTORY | this.libc.machine.O_NOFOLLOW,
      call,
    );
    this.#forgetSoon();
    if (this.#kept.size >= MOST_KEPT) {
      const [oldest, handle] = this.#kept.entries().next().value!;
      this.#kept.delete(oldest);
      this.libc.call.close(handle);
    }
    this.#kept.set(dir, fd);
    return fd;
  }

  /** Opens a directory to be read; a symbolic link to one is none. The caller closes it. */
  openDir(dir: RelPath, call: string): number {
    const { O_DIRECTORY, O_NOFOLLOW } = this.libc.machine;
    const { fd, name } = this.parentOf(dir, call);
    return this.check(
      this.libc.call.openat(fd, name, C.O_RDONLY | C.O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW, 0),
      call,
      dir,
    );
  }

  /**
   * Reads a directory.
   * @param visit Gets the handle of the directory, a name's address and end in the scratch memory, and the kind that the file
   * system tells with it (DT_UNKNOWN where it tells none); it must not use the large room.
   */
  entries(dir: RelPath, visit: (fd: number, name: number, end: number, type: number) => void): void {
    const { call, machine } = this.libc;
    const { bytes, view } = this;
    const fd = this.openDir(dir, "readdir");
    try {
      for (;;) {
        const got = call.syscall(machine.SYS_getdents64, fd, this.base + LARGE, LARGE_BYTES, 0, 0);
        // A directory that is removed while it is read has no entries.
        if (got === 0 || got < 0 && this.libc.errno() === E.ENOENT) return;
        this.check(got, "readdir", dir);
        for (let at = LARGE; at < LARGE + got;) {
          const next = at + view.getUint16(at + 16, true);
          // 8 bytes inode, 8 offset, 2 length, 1 type, then the name and NUL.
          const type = bytes[at + 18]!, name = at + 19;
          at = next;
          if (bytes[name] === 0x2e && (bytes[name + 1] === 0 || bytes[name + 1] === 0x2e && bytes[name + 2] === 0)) {
            continue;
          }
          visit(fd, name, bytes.indexOf(0, name), type);
        }
      }
    } finally {
      call.close(fd);
    }
  }

  /** Closes the handles of what was at `path`, and of all below it: it has moved or gone. */
  forget(path: RelPath): void {
    for (const [dir, fd] of this.#kept) {
      if (!isWithin(dir, path)) continue;
      this.#kept.delete(dir);
      this.libc.call.close(fd);
    }
  }

  /** Closes all handles, of the root too if that is to be opened anew. */
  #forgetAll(): void {
    this.forget(ROOT);
    if (!this.#reopen || this.#root < 0) return;
    this.libc.call.close(this.#root);
    this.#root = -1;
  }

  #forgetSoon(): void {
    if (this.#isToForget) return;
    this.#isToForget = true;
    atNextTurn(() => {
      this.#isToForget = false;
      if (!this.#closed) this.#forgetAll();
    });
  }

  /** Opens the root, for good or for this stretch of work. Another that has come to its path is another's only by its inode. */
  #openRoot(call: string): void {
    const { O_DIRECTORY, O_NOFOLLOW } = this.libc.machine;
    const flags = C.O_PATH | C.O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW;
    // Symbolic links in its path were resolved at the start: one that has come into it since leads to another place.
    const resolve = C.RESOLVE_NO_SYMLINKS | C.RESOLVE_NO_MAGICLINKS;
    let fd = this.#openat2 ? this.#openResolved(C.AT_FDCWD, this.#path, flags, resolve) : undefined;
    if (fd === undefined) {
      fd = this.libc.call.openat(C.AT_FDCWD, this.#text(this.#path, PATH), flags, 0);
      if (fd < 0) fd = -this.libc.errno();
    }
    if (fd < 0) noDirectory(-fd, call, this.#path);
    this.#root = fd;
    if (this.#reopen) this.#forgetSoon();
  }

  /** The result of a call, or its error. */
  check(result: number, call: string, path: string): number {
    if (result < 0) throw this.error(call, path);
    return result;
  }

  /** The error of the last call. */
  error(call: string, path: string): Error {
    return errorOf(this.libc.errno(), call, path);
  }

  /**
   * Asks for what is at a name.
   * @returns 0, or the number of the error; then `stat` gives what was said.
   */
  statx(fd: number, name: number, flags: number): number {
    const { call, machine } = this.libc;
    const failed = call.syscall(machine.SYS_statx, fd, name, flags, C.STATX_BASIC_STATS, this.base + STRUCT);
    return failed === 0 ? 0 : this.libc.errno();
  }

  /** Address of two timespecs: leave the access time, set the modification time. */
  times(mtimeNs: bigint): number {
    const at = TIMES;
    this.view.setBigInt64(at, 0n, true);
    this.view.setBigInt64(at + 8, BigInt(C.UTIME_OMIT), true);
    // Seconds are rounded down, before 1970 too: what is left must not be negative.
    const rest = ((mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    this.view.setBigInt64(at + 16, (mtimeNs - rest) / 1_000_000_000n, true);
    this.view.setBigInt64(at + 24, rest, true);
    return this.base + at;
  }

  /** Address of what FICLONERANGE is told (linux/fs.h). */
  cloneRange(from: number, offset: number, length: number, to: number): number {
    for (const [i, value] of [from, offset, length, to].entries()) {
      this.view.setBigInt64(STRUCT + 8 * i, BigInt(value), true);
    }
    return this.base + STRUCT;
  }

  /** Where `statx` puts its answer in the scratch memory. */
  get struct(): number {
    return STRUCT;
  }

  /** The text of the bytes from `from` to `to` of the scratch memory. */
  read(from: number, to: number): string {
    return textIn(this.bytes, from, to);
  }

  /** Opens the directory at `path`, following no symbolic link; the caller closes it. */
  #open(path: RelPath, flags: number, call: string): number {
    // All of one stretch of work is done in the same directories, whatever comes to their paths meanwhile.
    const parent = this.#kept.get(parentOf(path));
    if (parent !== undefined) {
      const fd = this.libc.call.openat(parent, this.#text(nameOf(path), PATH), flags, 0);
      return fd >= 0 ? fd : noDirectory(this.libc.errno(), call, path);
    }
    if (this.#openat2 && path.length * 3 < C.PATH_MAX) {
      const fd = this.#openBeneath(this.#root, path, flags);
      if (fd !== undefined) return fd >= 0 ? fd : noDirectory(-fd, call, path);
    }
    return this.#walk(path, flags, call);
  }

  /** @returns A handle, the negative number of an error, or undefined where the kernel has no such call. */
  #openBeneath(fd: number, path: string, flags: number): number | undefined {
    return this.#openResolved(
      fd,
      path,
      flags,
      C.RESOLVE_BENEATH | C.RESOLVE_NO_SYMLINKS | C.RESOLVE_NO_MAGICLINKS,
    );
  }

  /** The same, with how the path is to be resolved. */
  #openResolved(fd: number, path: string, flags: number, resolve: number): number | undefined {
    const { call } = this.libc;
    const name = this.#text(path, PATH);
    this.view.setBigUint64(HOW, BigInt(flags), true);
    this.view.setBigUint64(HOW + 8, 0n, true);
    this.view.setBigUint64(HOW + 16, BigInt(resolve), true);
    for (let tries = 0;; tries++) {
      const result = call.syscall(C.SYS_openat2, fd, name, this.base + HOW, 24, 0);
      if (result >= 0) return result;
      const errno = this.libc.errno();
      if (errno === E.EINTR || errno === E.EAGAIN && tries < TRIES) continue;
      // A sandbox may answer EPERM to calls that it does not know; that the open itself is not permitted, the walk finds out too.
      if (errno === E.ENOSYS || errno === E.EPERM) {
        if (errno === E.ENOSYS) this.#openat2 = false;
        return undefined;
      }
      return -errno;
    }
  }

  /** Opens a directory name by name, or as many names at a time as one call takes. */
  #walk(path: RelPath, flags: number, call: string): number {
    const names = namesOf(path);
    let at = this.#root;
    for (let i = 0; i < names.length;) {
      const first = names[i++]!;
      let text = first;
      while (this.#openat2 && i < names.length && (text.length + names[i]!.length + 1) * 3 < C.PATH_MAX) {
        text += `/${names[i++]}`;
      }
      let fd = this.#openat2 ? this.#openBeneath(at, text, flags) : undefined;
      if (fd === undefined) {
        i += 1 - text.split("/").length;
        fd = this.libc.call.openat(at, this.#text(first, PATH), flags, 0);
        if (fd < 0) fd = -this.libc.errno();
      }
      if (at !== this.#root) this.libc.call.close(at);
      if (fd < 0) noDirectory(-fd, call, path);
      at = fd;
    }
    return at;
  }

  /** Puts a text with a NUL behind it into a place of the scratch memory. @returns Its address. */
  #text(text: string, place: number): number {
    const { bytes } = this;
    if (text.length * 3 < PLACE && text.isWellFormed()) {
      const { written } = this.#encoder.encodeInto(text, bytes.subarray(place, place + PLACE - 1));
      bytes[place + written] = 0;
      return this.base + place;
    }
    const encoded = toBytes(text);
    if (encoded.length >= PLACE) throw errorOf(E.ENAMETOOLONG, "name", text.slice(0, 100));
    bytes.set(encoded, place);
    bytes[place + encoded.length] = 0;
    return this.base + place;
  }
}

/** Why a directory cannot be opened: a symbolic link in its path is none. */
function noDirectory(errno: number, call: string, path: string): never {
  throw errorOf(errno === E.ELOOP ? E.ENOTDIR : errno, call, path);
}
