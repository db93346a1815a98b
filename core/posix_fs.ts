// The file system through Linux's own calls: exact to the nanosecond, names as bytes, every operation relative to a handle of
// the directory that it is in (core/posix_dirs.ts), so that no symbolic link, whenever it is put there, leads out of the root.

import { ProblemError } from "./errors.ts";
import type { FileSystem, FsFeatures, Listed, Meta, ReadableFile, Stat, Survey, WritableFile, Xattrs } from "./fs.ts";
import { C, E, errorOf, type Libc } from "./libc.ts";
import { isPrivateName, nameOf, parentOf, type RelPath, ROOT } from "./path.ts";
import { type DirsOptions, LARGE, LARGE_BYTES, PosixDirs } from "./posix_dirs.ts";
import { PosixReadable, PosixWritable, type StatOf } from "./posix_files.ts";
import { statAt, STATX } from "./posix_stat.ts";
import { PosixSurvey } from "./posix_survey.ts";
import { readXattrs, writeXattrs } from "./posix_xattrs.ts";
import type { Digest } from "./types.ts";
import { ACCESS_LIST } from "./xattrs.ts";

const NONE: Xattrs = new Map();
const SPECIAL_BITS = 0o7000;
/** Errors that mean that nothing is at a path. */
const NOTHING: ReadonlySet<number> = new Set([E.ENOENT, E.ENOTDIR]);

/** The directory tree below one directory of a Linux machine. */
export class PosixFs implements FileSystem, Disposable {
  readonly features: FsFeatures = {
    layer: "posix",
    lacks: [],
    timeStepNs: 1n,
    modes: true,
    owners: true,
    xattrs: true,
    syncAll: true,
    inodes: true,
    movesDirs: true,
  };
  readonly #dirs: PosixDirs;
  readonly #call: Libc["call"];
  readonly #survey: PosixSurvey;
  readonly #statOfHandle: StatOf = (fd) => this.#statOf(fd);
  /** Whether the kernel lists attributes by a handle and a name. */
  #canListAt = true;
  /** What a mode becomes in the directory last written to: the umask and access lists take bits away. */
  #granted = { dir: ROOT, modes: new Map<number, number>() };

  /**
   * @param root Absolute path of the directory, its symbolic links resolved.
   * @throws {Error} If it cannot be opened.
   */
  constructor(root: string, libc: Libc, options: DirsOptions = {}) {
    this.#dirs = new PosixDirs(root, libc, options);
    this.#call = libc.call;
    this.#survey = new PosixSurvey(this.#dirs);
  }

  [Symbol.dispose](): void {
    this.#dirs[Symbol.dispose]();
  }

  list(dir: RelPath): Listed[] {
    const dirs = this.#dirs;
    const listed: Listed[] = [];
    dirs.entries(dir, (fd, name, end) => {
      const errno = dirs.statx(fd, dirs.base + name, C.AT_SYMLINK_NOFOLLOW);
      if (errno === E.ENOENT) return;
      const text = dirs.read(name, end);
      if (errno !== 0) throw errorOf(errno, "lstat", text);
      listed.push({ name: text, stat: this.#stat() });
    });
    return listed;
  }

  survey(dir: RelPath, known: Digest | undefined): Survey {
    const dirs = this.#dirs, survey = this.#survey;
    survey.clear();
    dirs.entries(dir, (fd, name, end) => {
      if (dir === ROOT && isPrivateName(dirs.read(name, end))) return;
      const errno = dirs.statx(fd, dirs.base + name, C.AT_SYMLINK_NOFOLLOW);
      if (errno === 0) survey.add(name, end);
      else if (errno !== E.ENOENT) throw errorOf(errno, "lstat", dirs.read(name, end));
    });
    return survey.survey(known);
  }

  lstat(path: RelPath): Stat | undefined {
    let at;
    try {
      at = this.#dirs.parentOf(path, "lstat");
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
      throw error;
    }
    const errno = this.#dirs.statx(at.fd, at.name, C.AT_SYMLINK_NOFOLLOW);
    if (NOTHING.has(errno)) return undefined;
    if (errno !== 0) throw errorOf(errno, "lstat", path);
    return this.#stat();
  }

  readLink(path: RelPath): string {
    const { fd, name } = this.#dirs.parentOf(path, "readlink");
    // Of the root's name, ".", the kernel would say ENOENT.
    if (path === ROOT) throw errorOf(E.EINVAL, "readlink", path);
    const length = this.#call.readlinkat(fd, name, this.#dirs.base + LARGE, LARGE_BYTES);
    this.#dirs.check(length, "readlink", path);
    return this.#dirs.read(LARGE, LARGE + length);
  }

  openFile(path: RelPath): ReadableFile {
    const dirs = this.#dirs;
    // Without O_NONBLOCK, opening a FIFO would wait for somebody to write.
    const flags = C.O_RDONLY | C.O_NONBLOCK | C.O_CLOEXEC | dirs.libc.machine.O_NOFOLLOW;
    const { fd: parent, name } = dirs.parentOf(path, "open");
    const fd = this.#call.openat(parent, name, flags, 0);
    if (fd < 0) {
      const errno = dirs.libc.errno();
      // ENXIO and the like: a socket, a device without a driver.
      if (errno !== E.ENOENT && this.lstat(path)?.kind === "other") throw new ProblemError(OTHER);
      throw errorOf(errno, "open", path);
    }
    try {
      const { kind } = this.#statOf(fd);
      if (kind === "dir") throw errorOf(EISDIR, "open", path);
      if (kind !== "file") throw new ProblemError(OTHER);
      return new PosixReadable(dirs, fd, path, this.#statOfHandle);
    } catch (error) {
      this.#call.close(fd);
      throw error;
    }
  }

  /** The mode is exact after `setMeta`; until then the umask may have taken bits from it. */
  createFile(path: RelPath, mode: number): WritableFile {
    const dirs = this.#dirs;
    // What is written is read again to be checked.
    const flags = C.O_RDWR | C.O_CREAT | C.O_EXCL | C.O_CLOEXEC | dirs.libc.machine.O_NOFOLLOW;
    const { fd: parent, name } = dirs.parentOf(path, "open");
    if (path === ROOT) throw errorOf(EEXIST, "open", path);
    const fd = dirs.check(this.#call.openat(parent, name, flags, mode), "open", path);
    try {
      return new PosixWritable(dirs, fd, path, this.#statOfHandle, mode, this.#grantedMode(path, mode, fd));
    } catch (error) {
      this.#call.close(fd);
      throw error;
    }
  }

  appendTo(path: RelPath, mode: number): WritableFile {
    const dirs = this.#dirs;
    const flags = C.O_WRONLY | C.O_CREAT | C.O_NONBLOCK | C.O_CLOEXEC | dirs.libc.machine.O_NOFOLLOW;
    const { fd: parent, name } = dirs.parentOf(path, "open");
    const fd = dirs.check(this.#call.openat(parent, name, flags, mode), "open", path);
    try {
      const { kind, mode: has, size } = this.#statOf(fd);
      if (kind !== "file") throw new ProblemError(OTHER);
      return new PosixWritable(dirs, fd, path, this.#statOfHandle, mode, has, size);
    } catch (error) {
      this.#call.close(fd);
      throw error;
    }
  }

  mkdir(path: RelPath, mode: number): void {
    const { fd, name } = this.#dirs.parentOf(path, "mkdir");
    this.#dirs.check(this.#call.mkdirat(fd, name, mode), "mkdir", path);
    // The umask takes bits away, a set-group-ID parent adds one.
    this.#withHandle(path, "chmod", (made) => this.#chmod(path, made, mode));
  }

  symlink(path: RelPath, target: string): void {
    const { fd, name } = this.#dirs.parentOf(path, "symlink");
    this.#dirs.check(this.#call.symlinkat(this.#dirs.text(target), fd, name), "symlink", path);
  }

  link(from: RelPath, to: RelPath): void {
    const a = this.#dirs.parentOf(from, "link"), b = this.#dirs.secondParentOf(to, "link");
    this.#dirs.check(this.#call.linkat(a.fd, a.name, b.fd, b.name, 0), "link", to);
  }

  rename(from: RelPath, to: RelPath): void {
    const a = this.#dirs.parentOf(from, "rename"), b = this.#dirs.secondParentOf(to, "rename");
    this.#dirs.check(this.#call.renameat(a.fd, a.name, b.fd, b.name), "rename", from);
    this.#dirs.forget(from);
    this.#dirs.forget(to);
  }

  renameNew(from: RelPath, to: RelPath): void {
    if (from === to) return this.rename(from, to);
    const dirs = this.#dirs;
    const { SYS_renameat2 } = dirs.libc.machine;
    const a = dirs.parentOf(from, "rename"), b = dirs.secondParentOf(to, "rename");
    const failed = this.#call.syscall(SYS_renameat2, a.fd, a.name, b.fd, b.name, C.RENAME_NOREPLACE);
    if (failed < 0) {
      const errno = dirs.libc.errno();
      // Not every file system has it; EINVAL also means a directory that would move into itself.
      if (errno !== E.EINVAL && errno !== E.ENOSYS) throw errorOf(errno, "rename", errno === E.ENOENT ? from : to);
      if (this.lstat(to)) throw errorOf(EEXIST, "rename", to);
      return this.rename(from, to);
    }
    dirs.forget(from);
  }

  exchange(a: RelPath, b: RelPath): boolean {
    const dirs = this.#dirs;
    const { fd: fdA, name: nameA } = dirs.parentOf(a, "rename"),
      { fd: fdB, name: nameB } = dirs.secondParentOf(b, "rename");
    const failed = this.#call.syscall(dirs.libc.machine.SYS_renameat2, fdA, nameA, fdB, nameB, C.RENAME_EXCHANGE);
    if (failed < 0) {
      const errno = dirs.libc.errno();
      if (errno === E.EINVAL || errno === E.ENOSYS) return false;
      throw errorOf(errno, "rename", b);
    }
    dirs.forget(a);
    dirs.forget(b);
    return true;
  }

  unlink(path: RelPath): void {
    const { fd, name } = this.#dirs.parentOf(path, "unlink");
    this.#dirs.check(this.#call.unlinkat(fd, name, 0), "unlink", path);
  }

  rmdir(path: RelPath): void {
    const { fd, name } = this.#dirs.parentOf(path, "rmdir");
    this.#dirs.check(this.#call.unlinkat(fd, name, C.AT_REMOVEDIR), "rmdir", path);
    this.#dirs.forget(path);
  }

  setMeta(path: RelPath, { mode, mtimeNs }: Meta): Stat {
    return this.#withHandle(path, "utime", (fd) => {
      const dirs = this.#dirs;
      if (mode !== undefined) this.#chmod(path, fd, mode);
      const times = dirs.times(mtimeNs);
      if (this.#call.utimensat(fd, dirs.text(""), times, C.AT_EMPTY_PATH) < 0) {
        // Before Linux 5.8.
        if (dirs.libc.errno() !== E.EINVAL) throw dirs.error("utime", path);
        dirs.check(this.#call.utimensat(C.AT_FDCWD, this.#address(fd), times, 0), "utime", path);
      }
      return this.#statOf(fd);
    });
  }

  chown(path: RelPath, uid: number, gid: number): void {
    const { fd, name } = this.#dirs.parentOf(path, "chown");
    this.#dirs.check(this.#call.fchownat(fd, name, uid, gid, C.AT_SYMLINK_NOFOLLOW), "chown", path);
  }

  xattrs(path: RelPath): Xattrs {
    const dirs = this.#dirs;
    if (this.#hasNoXattrs(path)) return NONE;
    return this.#withHandle(path, "getxattr", (fd) => {
      return this.#isLink(fd) ? NONE : readXattrs(dirs, this.#address(fd), path);
    });
  }

  setXattrs(path: RelPath, xattrs: Xattrs): void {
    const set = () =>
      this.#withHandle(path, "setxattr", (fd) => {
        if (!this.#isLink(fd)) writeXattrs(this.#dirs, this.#address(fd), path, xattrs);
      });
    try {
      set();
    } catch (error) {
      // Attributes of users are read and written as content is: what is closed to us is opened for the moment.
      const stat = this.lstat(path);
      if ((error as { code?: unknown }).code !== "EACCES" || !stat || (stat.mode & 0o600) === 0o600) throw error;
      this.setMeta(path, { mode: stat.mode | 0o600, mtimeNs: stat.mtimeNs });
      set();
      // An access list has set the mode.
      if (!xattrs.has(ACCESS_LIST)) this.setMeta(path, { mode: stat.mode, mtimeNs: stat.mtimeNs });
    }
  }

  syncDir(dir: RelPath): void {
    const dirs = this.#dirs;
    // Where there is a handle still, of the directory that was worked in, whatever is at its path now.
    const at = dirs.handle(dir, "open"), flags = C.O_RDONLY | C.O_CLOEXEC | dirs.libc.machine.O_DIRECTORY;
    const fd = dirs.check(this.#call.openat(at, dirs.name("."), flags, 0), "open", dir);
    const failed = this.#call.fsync(fd) < 0;
    const error = failed ? this.#dirs.error("fsync", dir) : undefined;
    this.#call.close(fd);
    if (error) throw error;
  }

  syncAll(): void {
    const fd = this.#dirs.openDir(ROOT, "open");
    const failed = this.#call.syncfs(fd) < 0;
    const error = failed ? this.#dirs.error("syncfs", ROOT) : undefined;
    this.#call.close(fd);
    if (error) throw error;
  }

  /** Whether an entry has no attributes of any kind, as nearly all have none: that is known without opening it. */
  #hasNoXattrs(path: RelPath): boolean {
    const dirs = this.#dirs;
    const { fd, name } = dirs.parentOf(path, "getxattr");
    if (this.#canListAt) {
      const length = this.#call.syscall(C.SYS_listxattrat, fd, name, C.AT_SYMLINK_NOFOLLOW, 0, 0);
      if (length >= 0) return length === 0;
      // Before Linux 6.13 there is no such call; sandboxes may answer EPERM.
      const errno = dirs.libc.errno();
      if (errno !== E.ENOSYS && errno !== E.EPERM) return false;
      this.#canListAt = false;
    }
    const at = dirs.text(`/proc/self/fd/${fd}/${path === ROOT ? "." : nameOf(path)}`);
    return this.#call.llistxattr(at, 0, 0) === 0;
  }

  /** Sets the mode of an entry, of a symbolic link nothing. */
  #chmod(path: RelPath, fd: number, mode: number): void {
    const dirs = this.#dirs;
    if (this.#call.syscall(C.SYS_fchmodat2, fd, dirs.text(""), mode, C.AT_EMPTY_PATH, 0) === 0) return;
    const errno = dirs.libc.errno();
    // EOPNOTSUPP: symbolic links have none. Before Linux 6.6 there is no such call; sandboxes may answer EPERM.
    if (errno !== E.EOPNOTSUPP && errno !== E.ENOSYS && errno !== E.EPERM) throw errorOf(errno, "chmod", path);
    if (!this.#isLink(fd)) dirs.check(this.#call.chmod(this.#address(fd), mode), "chmod", path);
  }

  /** Does something with what is at `path` by a handle (O_PATH) that names it whatever comes there; of a directory, the one worked in. */
  #withHandle<T>(path: RelPath, call: string, what: (fd: number) => T): T {
    const dirs = this.#dirs;
    const kept = dirs.kept(path);
    if (kept !== undefined) return what(kept);
    const { fd: parent, name } = dirs.parentOf(path, call);
    const flags = C.O_PATH | C.O_CLOEXEC | dirs.libc.machine.O_NOFOLLOW;
    const fd = dirs.check(this.#call.openat(parent, name, flags, 0), call, path);
    try {
      return what(fd);
    } finally {
      this.#call.close(fd);
    }
  }

  #isLink(fd: number): boolean {
    return this.#statOf(fd).kind === "symlink";
  }

  /** A path, in the scratch memory, by which calls that know no handles of this kind find what one is of. */
  #address(fd: number): number {
    return this.#dirs.text(`/proc/self/fd/${fd}`);
  }

  /** What `fd`, just made with `mode`, got of it: asked for once per directory and mode. */
  #grantedMode(path: RelPath, mode: number, fd: number): number {
    if ((mode & SPECIAL_BITS) !== 0) return this.#statOf(fd).mode;
    const dir = parentOf(path);
    if (this.#granted.dir !== dir) this.#granted = { dir, modes: new Map() };
    let granted = this.#granted.modes.get(mode);
    if (granted === undefined) this.#granted.modes.set(mode, granted = this.#statOf(fd).mode);
    return granted;
  }

  #statOf(fd: number): Stat {
    const dirs = this.#dirs;
    const errno = dirs.statx(fd, dirs.text(""), C.AT_EMPTY_PATH);
    if (errno !== 0) throw errorOf(errno, "stat", "");
    return this.#stat();
  }

  /** What the last `statx` said. */
  #stat(): Stat {
    const { view, struct } = this.#dirs;
    return statAt({
      view,
      what: struct + STATX.what.at,
      times: struct + STATX.times.at,
      beside: view,
      blocks: struct + STATX.blocks.at,
      device: struct + STATX.device.at,
    });
  }
}

const EEXIST = 17, EISDIR = 21;
const OTHER = "it is a device, socket or FIFO";
