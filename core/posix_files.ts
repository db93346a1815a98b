// Files that the POSIX layer has open.

import { type Meta, type ReadableFile, SETGID, SETUID, type Stat, type WritableFile } from "./fs.ts";
import { C, E, type Libc } from "./libc.ts";
import type { PosixDirs } from "./posix_dirs.ts";

/** What the system says of a handle. */
export type StatOf = (fd: number) => Stat;

/** An open file. */
abstract class OpenFile implements Disposable {
  readonly dirs: PosixDirs;
  readonly path: string;
  readonly #statOf: StatOf;
  #fd: number;

  /** @param fd Handle; this closes it. */
  constructor(dirs: PosixDirs, fd: number, path: string, statOf: StatOf) {
    this.dirs = dirs;
    this.#fd = fd;
    this.path = path;
    this.#statOf = statOf;
  }

  stat(): Stat {
    return this.#statOf(this.handle);
  }

  get handle(): number {
    if (this.#fd < 0) throw new Deno.errors.BadResource("The file is closed");
    return this.#fd;
  }

  [Symbol.dispose](): void {
    if (this.#fd < 0) return;
    this.dirs.libc.call.close(this.#fd);
    this.#fd = -1;
  }

  /** Makes a call that a signal may interrupt. @returns What it returns. */
  protected uninterrupted(name: string, call: () => number): number {
    for (;;) {
      const result = call();
      if (result >= 0) return result;
      if (this.dirs.libc.errno() !== E.EINTR) throw this.dirs.error(name, this.path);
    }
  }
}

/** Reads until `into` is full or the file ends. @returns How many bytes; -1 where the system refuses, which its error number tells. */
export function readFully({ call, errno }: Libc, handle: number, offset: number, into: Uint8Array): number {
  for (let done = 0;;) {
    const part = done === 0 ? into : into.subarray(done);
    const count = part.length === 0 ? 0 : call.pread(handle, part as BufferSource, part.length, offset + done);
    if (count === 0) return done;
    if (count > 0) done += count;
    else if (errno() !== E.EINTR) return -1;
  }
}

/** A file open for reading. */
export class PosixReadable extends OpenFile implements ReadableFile {
  readAt(offset: number, into: Uint8Array): number {
    const done = readFully(this.dirs.libc, this.handle, offset, into);
    if (done < 0) throw this.dirs.error("read", this.path);
    return done;
  }

  dataFrom(offset: number): number {
    const { handle: fd, dirs: { libc } } = this;
    const found = Number(libc.call.lseek(fd, offset, C.SEEK_DATA));
    if (found >= 0) return found;
    // ENXIO: there is none. What else there may be, a file system that tells no holes has none.
    return libc.errno() === E.ENXIO ? Math.max(offset, this.stat().size) : offset;
  }
}

const UNKNOWN = -1;
/** Copied by one call, so that what it returns is an int (bytes). */
const MOST_AT_ONCE = 1 << 30;

/** A file open for writing. */
export class PosixWritable extends OpenFile implements WritableFile {
  #size: number;
  /** The mode that is to be, and the one that is, or UNKNOWN. */
  readonly #mode: number;
  #has: number;

  /**
   * @param has The mode that it was given; the umask takes bits away.
   * @param size Where writing begins.
   */
  constructor(dirs: PosixDirs, fd: number, path: string, statOf: StatOf, mode: number, has: number, size = 0) {
    super(dirs, fd, path, statOf);
    this.#mode = mode;
    this.#has = has;
    this.#size = size;
  }

  write(bytes: Uint8Array): void {
    const { handle: fd, dirs: { libc: { call } } } = this;
    this.#changing();
    const at = this.#size;
    for (let done = 0; done < bytes.length;) {
      const part = done === 0 ? bytes : bytes.subarray(done);
      done += this.uninterrupted("write", () => call.pwrite(fd, part as BufferSource, part.length, at + done));
    }
    this.#size += bytes.length;
  }

  copy(source: ReadableFile, offset: number, length: number): number {
    if (!(source instanceof PosixReadable)) return 0;
    const { handle: fd, dirs: { libc: { call } } } = this;
    const from = BigInt64Array.of(BigInt(offset)), to = BigInt64Array.of(BigInt(this.#size));
    this.#changing();
    // Why it does not, whoever reads and writes instead learns as well.
    const count = call.copy_file_range?.(source.handle, from, fd, to, Math.min(length, MOST_AT_ONCE), 0) ?? 0;
    if (count <= 0) return 0;
    this.#size += count;
    return count;
  }

  skip(length: number): void {
    const { handle: fd } = this;
    this.#changing();
    this.#size += length;
    this.uninterrupted("truncate", () => this.dirs.libc.call.ftruncate(fd, this.#size));
  }

  clone(from: ReadableFile, offset: number, length: number): boolean {
    if (!(from instanceof PosixReadable)) return false;
    const { handle: fd, dirs } = this;
    const { call } = dirs.libc;
    this.#changing();
    const range = dirs.cloneRange(from.handle, offset, length, this.#size);
    // Whatever the reason is, it can be copied; if it is the disk, that will say so.
    if (call.ioctl(fd, C.FICLONERANGE, range) !== 0) return false;
    this.#size += length;
    return true;
  }

  setMeta({ mode = this.#mode, mtimeNs }: Meta): void {
    const { handle: fd, dirs } = this;
    const { call } = dirs.libc;
    if (mode !== this.#has) dirs.check(call.fchmod(fd, mode), "chmod", this.path);
    this.#has = mode;
    dirs.check(call.futimens(fd, dirs.times(mtimeNs)), "utime", this.path);
  }

  finish(): Stat {
    const stat = this.stat();
    this[Symbol.dispose]();
    return stat;
  }

  sync(): void {
    const { handle: fd } = this;
    this.uninterrupted("fsync", () => this.dirs.libc.call.fsync(fd));
  }

  /** Whoever is not root takes setuid and setgid away with a change of the content. */
  #changing(): void {
    if ((this.#has & (SETUID | SETGID)) !== 0) this.#has = UNKNOWN;
  }
}
