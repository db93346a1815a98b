// The file system through Deno's own synchronous calls: works wherever Deno does, needs no FFI. Its limits: times are read
// and set to the millisecond, ctime (whole seconds only) is not reported, names must be UTF-8, extended attributes are out
// of reach, and a directory above a path that is replaced by a symbolic link at the wrong moment is followed, as these calls
// know no directory handles.

import process from "node:process";
import { CannotHoldError, ChangedWhileReadError, ProblemError } from "./errors.ts";
import {
  type FileSystem,
  type FsFeatures,
  type Listed,
  type Meta,
  NO_ID,
  type ReadableFile,
  type Stat,
  type Survey,
  USUAL_MODES,
  type WritableFile,
  type Xattrs,
} from "./fs.ts";
import { parentOf, type RelPath, ROOT } from "./path.ts";
import { surveyOf } from "./survey.ts";
import type { Digest } from "./types.ts";
import { windowsPath } from "./windows_path.ts";

const WINDOWS = Deno.build.os === "windows";
const NS_PER_MS = 1_000_000n;

/** What `readDirSync` puts in the place of bytes that are not UTF-8. */
const REPLACEMENT = "\uFFFD";

/** Entries whose real name Deno cannot say: they are there, but no call reaches them. */
const UNREACHABLE: Stat = {
  kind: "other",
  mode: 0,
  uid: NO_ID,
  gid: NO_ID,
  size: 0,
  allocated: 0,
  mtimeNs: 0n,
  ctimeNs: 0n,
  ino: 0n,
  dev: 0n,
  nlink: 1,
};

const UNSEEN = "the sight of changes that leave a file's size and time as they were";
const LACKS = ["times below a millisecond", "names that are not UTF-8", "extended attributes", UNSEEN];
const LACKS_ON_WINDOWS = [
  "times below a millisecond",
  "permission bits",
  "owners",
  "names that Windows does not allow",
  UNSEEN,
];

/** The directory tree below one directory of this machine. */
export class PortableFs implements FileSystem {
  readonly features: FsFeatures;
  readonly #root: string;
  /** What `open` gives for a mode in the directory last written to; the umask and default ACLs take bits away. */
  #granted = { dir: ROOT, modes: new Map<number, number>() };

  /** @param root Absolute path of the directory, its symbolic links resolved. */
  constructor(root: string) {
    this.features = {
      layer: "portable",
      lacks: WINDOWS ? LACKS_ON_WINDOWS : LACKS,
      timeStepNs: NS_PER_MS,
      modes: !WINDOWS,
      owners: !WINDOWS,
      xattrs: false,
      inodes: !WINDOWS,
      movesDirs: !WINDOWS,
      syncAll: false,
    };
    this.#root = root;
  }

  list(dir: RelPath): Listed[] {
    const at = this.#toOs(dir);
    // `readDirSync` follows a symbolic link.
    if (!Deno.lstatSync(at).isDirectory) throw refusal("ENOTDIR", "readdir", at);
    const prefix = at.endsWith(SEPARATOR) ? at : at + SEPARATOR;
    const listed: Listed[] = [];
    const replaced = new Set<string>();
    for (const { name } of Deno.readDirSync(at)) {
      let stat = lstatIfAny(prefix + name);
      if (name.includes(REPLACEMENT)) {
        // Names that differ only in bytes that are not UTF-8 look the same here; one of them is enough.
        if (replaced.has(name)) continue;
        replaced.add(name);
        stat ??= UNREACHABLE;
      }
      if (stat) listed.push({ name, stat });
    }
    return listed;
  }

  survey(dir: RelPath, known: Digest | undefined): Survey {
    return surveyOf(dir, this.list(dir), known);
  }

  lstat(path: RelPath): Stat | undefined {
    return lstatIfAny(this.#toOs(path));
  }

  readLink(path: RelPath): string {
    const at = this.#toOs(path);
    try {
      return Deno.readLinkSync(at);
    } catch (error) {
      if (error instanceof Deno.errors.InvalidData) throw new ProblemError("its target is not UTF-8");
      if (isSystemError(error, ERROR_NOT_A_REPARSE_POINT)) throw refusal("EINVAL", "readlink", at);
      throw error;
    }
  }

  openFile(path: RelPath): ReadableFile {
    const at = this.#toOs(path);
    const before = toStat(this.#placed(path, () => Deno.lstatSync(at)));
    if (before.kind === "symlink") throw refusal("ELOOP", "open", at);
    if (before.kind === "dir") throw refusal("EISDIR", "open", at);
    if (before.kind === "other") throw new ProblemError(OTHER);
    // `openSync` follows symbolic links and waits for FIFOs. A link put here since the check is found by its inode; a
    // FIFO put here since then is not, which is the price of this layer.
    const file = Deno.openSync(at);
    try {
      const opened = toStat(file.statSync());
      if (opened.ino !== before.ino || opened.dev !== before.dev) throw new ChangedWhileReadError();
      return new PortableReadable(file);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** The mode is exact after `setMeta`; until then the umask may have taken bits from it. */
  createFile(path: RelPath, mode: number): WritableFile {
    const at = this.#toOs(path);
    const file = this.#placed(path, () => Deno.openSync(at, { write: true, createNew: true, mode }));
    try {
      return new PortableWritable(file, { at, mode, granted: this.#grantedMode(path, mode, file) });
    } catch (error) {
      file.close();
      throw error;
    }
  }

  appendTo(path: RelPath, mode: number): WritableFile {
    const at = this.#toOs(path);
    const before = lstatIfAny(at);
    if (before?.kind === "symlink") throw refusal("ELOOP", "open", at);
    // Wine opens it, and never comes back from what follows.
    if (before?.kind === "dir") throw refusal("EISDIR", "open", at);
    if (before?.kind === "other") throw new ProblemError(OTHER);
    const file = this.#placed(path, () => Deno.openSync(at, { write: true, create: true, mode }));
    try {
      file.seekSync(0, Deno.SeekMode.End);
      return new PortableWritable(file, { at, mode, granted: modeOf(file.statSync()) });
    } catch (error) {
      file.close();
      throw error;
    }
  }

  mkdir(path: RelPath, mode: number): void {
    const at = this.#toOs(path);
    this.#placed(path, () => Deno.mkdirSync(at, { mode }));
    // The umask takes bits away, a set-group-ID parent adds one.
    if (!WINDOWS) Deno.chmodSync(at, mode);
  }

  symlink(path: RelPath, target: string): void {
    // Deno would write other bytes than those that the target stands for.
    if (!target.isWellFormed()) throw new ProblemError("its target is not UTF-8");
    const at = this.#toOs(path);
    if (WINDOWS) this.#placed(path, () => symlinkOnWindows(target, at));
    else Deno.symlinkSync(target, at);
  }

  link(from: RelPath, to: RelPath): void {
    this.#placed(to, () => Deno.linkSync(this.#toOs(from), this.#toOs(to)));
  }

  rename(from: RelPath, to: RelPath): void {
    const source = this.#toOs(from), at = this.#toOs(to);
    if (WINDOWS && from !== to) refuseToReplace(source, at);
    this.#placed(to, () => whereReadOnly(at, () => Deno.renameSync(source, at)));
  }

  /** Something that comes to `to` at the very moment is replaced: Deno has no rename that refuses to. */
  renameNew(from: RelPath, to: RelPath): void {
    const at = this.#toOs(to);
    if (from !== to && lstatIfAny(at)) throw refusal("EEXIST", "rename", at);
    this.rename(from, to);
  }

  /** Deno has no such call. */
  exchange(): boolean {
    return false;
  }

  unlink(path: RelPath): void {
    const at = this.#toOs(path);
    // `removeSync` would remove an empty directory too.
    if (Deno.lstatSync(at).isDirectory) throw refusal("EISDIR", "unlink", at);
    whereReadOnly(at, () => Deno.removeSync(at));
  }

  rmdir(path: RelPath): void {
    const at = this.#toOs(path);
    if (!Deno.lstatSync(at).isDirectory) throw refusal("ENOTDIR", "rmdir", at);
    whereReadOnly(at, () => Deno.removeSync(at));
  }

  /** A symbolic link from before 1970 can only be given whole seconds. */
  setMeta(path: RelPath, meta: Meta): Stat {
    const at = this.#toOs(path);
    const now = Deno.lstatSync(at);
    if (now.isSymlink) setLinkTime(at, meta.mtimeNs);
    else {
      // Both calls follow a link that is put here after the check.
      if (!WINDOWS && meta.mode !== undefined && meta.mode !== modeOf(now)) Deno.chmodSync(at, meta.mode);
      const time = toDate(meta.mtimeNs);
      const readOnly = whereReadOnly(at, () => Deno.utimeSync(at, time, time));
      if (readOnly) Deno.chmodSync(at, READ_ONLY);
    }
    const then = this.lstat(path);
    if (!then) throw new Deno.errors.NotFound(`utime '${at}'`);
    return then;
  }

  chown(path: RelPath, uid: number, gid: number): void {
    if (WINDOWS) return;
    const at = this.#toOs(path);
    const now = Deno.lstatSync(at);
    try {
      nodeFs().lchownSync(at, uid === NO_ID ? now.uid! : uid, gid === NO_ID ? now.gid! : gid);
    } catch (error) {
      if ((error as { code?: unknown }).code !== "EPERM") throw error;
      throw Object.assign(new Deno.errors.PermissionDenied(`Operation not permitted: chown '${at}'`), {
        code: "EPERM",
      });
    }
  }

  xattrs(): Xattrs {
    return new Map();
  }

  setXattrs(): void {}

  syncDir(dir: RelPath): void {
    if (WINDOWS) return;
    using file = Deno.openSync(this.#toOs(dir));
    file.syncSync();
  }

  syncAll(): void {}

  /** The path as the system wants it: the only place where one is made. */
  #toOs(path: RelPath): string {
    if (!path.isWellFormed()) throw new ProblemError("its name is not UTF-8");
    if (WINDOWS) return windowsPath(this.#root, path);
    if (path === "") return this.#root;
    return this.#root.endsWith("/") ? this.#root + path : `${this.#root}/${path}`;
  }

  /** Does something that needs the directory which `path` is in: where that is none, Windows says only that nothing is there. */
  #placed<T>(path: RelPath, act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (WINDOWS && error instanceof Deno.errors.NotFound && this.#isBelowNoDirectory(path)) {
        throw refusal("ENOTDIR", "look up", this.#toOs(path));
      }
      throw error;
    }
  }

  #isBelowNoDirectory(path: RelPath): boolean {
    if (path === ROOT) return false;
    const above = parentOf(path);
    const kind = this.lstat(above)?.kind;
    return kind === undefined ? this.#isBelowNoDirectory(above) : kind !== "dir";
  }

  /** What `file`, just opened with `mode`, got of it: asked for once per directory and mode. */
  #grantedMode(path: RelPath, mode: number, file: Deno.FsFile): number {
    if (WINDOWS) return mode;
    const dir = parentOf(path);
    if (this.#granted.dir !== dir) this.#granted = { dir, modes: new Map() };
    let granted = this.#granted.modes.get(mode);
    if (granted === undefined) this.#granted.modes.set(mode, granted = modeOf(file.statSync()));
    return granted;
  }
}

class PortableReadable implements ReadableFile {
  readonly #file: Deno.FsFile;
  #at = 0;

  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  stat(): Stat {
    return toStat(this.#file.statSync());
  }

  readAt(offset: number, into: Uint8Array): number {
    if (offset !== this.#at) this.#at = this.#file.seekSync(offset, Deno.SeekMode.Start);
    let done = 0;
    while (done < into.length) {
      const count = this.#file.readSync(into.subarray(done));
      if (count === null) break;
      done += count;
      this.#at += count;
    }
    return done;
  }

  /** Nobody tells. */
  dataFrom(offset: number): number {
    return offset;
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** How a file was made. */
interface Creation {
  /** Path for the system. */
  readonly at: string;
  /** The mode that was asked for. */
  readonly mode: number;
  /** The mode that it has. */
  readonly granted: number;
}

class PortableWritable implements WritableFile {
  readonly #file: Deno.FsFile;
  readonly #made: Creation;
  /** The mode that it has now. */
  #mode: number;

  constructor(file: Deno.FsFile, made: Creation) {
    this.#file = file;
    this.#made = made;
    this.#mode = made.granted;
  }

  write(bytes: Uint8Array): void {
    let done = 0;
    try {
      while (done < bytes.length) done += this.#file.writeSync(bytes.subarray(done));
    } catch (error) {
      this.#file.seekSync(-done, Deno.SeekMode.Current);
      throw error;
    }
  }

  clone(): boolean {
    return false;
  }

  copy(): number {
    return 0;
  }

  skip(length: number): void {
    this.#file.truncateSync(this.#file.seekSync(length, Deno.SeekMode.Current));
  }

  setMeta(meta: Meta): void {
    const { at, mode: asked } = this.#made;
    const mode = meta.mode ?? asked;
    // There is no fchmod: what has come to `at` meanwhile would be changed.
    if (!WINDOWS && mode !== this.#mode) {
      Deno.chmodSync(at, mode);
      this.#mode = mode;
    }
    const time = toDate(meta.mtimeNs);
    this.#file.utimeSync(time, time);
  }

  sync(): void {
    this.#file.syncSync();
  }

  /** By its path, as whoever looks at it later does: the two need not be told the same. */
  finish(): Stat {
    this[Symbol.dispose]();
    return toStat(Deno.lstatSync(this.#made.at));
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

const OTHER = "it is a device, socket or FIFO";
const SEPARATOR = WINDOWS ? "\\" : "/";

function lstatIfAny(at: string): Stat | undefined {
  try {
    return toStat(Deno.lstatSync(at));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

function toStat(info: Deno.FileInfo): Stat {
  return {
    kind: kindOf(info),
    mode: modeOf(info),
    uid: info.uid ?? NO_ID,
    gid: info.gid ?? NO_ID,
    size: info.size,
    allocated: info.blocks === null ? info.size : info.blocks * 512,
    mtimeNs: BigInt(info.mtime?.getTime() ?? 0) * NS_PER_MS,
    ctimeNs: 0n,
    ino: inodeOf(info.ino),
    dev: BigInt(info.dev),
    nlink: info.nlink ?? 1,
  };
}

/**
 * The inode number as Deno gives it, a floating-point number: one that may have been rounded, which those of Windows' NTFS often
 * are, is that of other files too, and none.
 */
export function inodeOf(ino: number | null): bigint {
  return ino !== null && Number.isSafeInteger(ino) ? BigInt(ino) : 0n;
}

function kindOf(info: Deno.FileInfo): Stat["kind"] {
  return info.isFile ? "file" : info.isDirectory ? "dir" : info.isSymlink ? "symlink" : "other";
}

/** The permission bits; Windows has but the read-only attribute, which is no part of them. */
function modeOf(info: Deno.FileInfo): number {
  return WINDOWS ? USUAL_MODES[kindOf(info)] : info.mode! & 0o7777;
}

function toDate(timeNs: bigint): Date {
  return new Date(floorMs(timeNs));
}

function floorMs(timeNs: bigint): number {
  return Number((timeNs - (timeNs % NS_PER_MS + NS_PER_MS) % NS_PER_MS) / NS_PER_MS);
}

/** What Deno has no call of its own for. Loaded when it is needed, which where there is a better layer it never is. */
function nodeFs(): typeof import("node:fs") {
  return process.getBuiltinModule("node:fs");
}

function setLinkTime(at: string, timeNs: bigint): void {
  const ms = floorMs(timeNs);
  // `lutimesSync` rounds towards zero, and ms/1000 is often a little too small: 0.2 us more sets the millisecond meant.
  // A negative number it takes for "now", a negative Date only in whole seconds.
  const time = ms < 0 ? new Date(Math.floor(ms / 1000) * 1000) : ms / 1000 + 2e-7;
  nodeFs().lutimesSync(at, time, time);
}

/** Windows' read-only attribute, and its absence, as `chmodSync` sets them and `lstatSync` tells them. */
const READ_ONLY = 0o444, WRITABLE = 0o666;

/** Does something that Windows refuses where an entry is read-only. @returns Whether `at` was, and is not any more. */
function whereReadOnly(at: string, act: () => void): boolean {
  try {
    act();
    return false;
  } catch (error) {
    const stat = WINDOWS && error instanceof Deno.errors.PermissionDenied && Deno.lstatSync(at);
    if (!stat || stat.isSymlink || (stat.mode! & WRITABLE) === WRITABLE) throw error;
    Deno.chmodSync(at, WRITABLE);
    try {
      act();
    } catch (error) {
      Deno.chmodSync(at, READ_ONLY);
      throw error;
    }
    return true;
  }
}

/** Windows, or what stands in for it, puts a directory in the place of a file, and has no word of its own for the reverse. */
function refuseToReplace(from: string, to: string): void {
  const there = lstatIfAny(to)?.kind, here = there && lstatIfAny(from)?.kind;
  if (here === undefined || (here === "dir") === (there === "dir")) return;
  throw refusal(there === "dir" ? "EISDIR" : "ENOTDIR", "rename", to);
}

/** Windows' numbers of errors that Deno has no class for. */
const ERROR_PRIVILEGE_NOT_HELD = 1314, ERROR_NOT_A_REPARSE_POINT = 4390;

function isSystemError(error: unknown, number: number): boolean {
  return error instanceof Error && error.message.includes(`(os error ${number})`);
}

/** Always one to a file: to know what a target is, it would have to be looked at, wherever it leads. */
function symlinkOnWindows(target: string, at: string): void {
  try {
    Deno.symlinkSync(target, at, { type: "file" });
  } catch (error) {
    if (!isSystemError(error, ERROR_PRIVILEGE_NOT_HELD)) throw error;
    throw new CannotHoldError("Windows lets only administrators make symbolic links, or everybody in Developer Mode");
  }
  // Wine says that it has made one, and makes none.
  if (lstatIfAny(at)?.kind !== "symlink") throw new CannotHoldError("this system makes no symbolic links");
}

const REFUSALS = {
  EINVAL: [TypeError, "Invalid argument"],
  EEXIST: [Deno.errors.AlreadyExists, "Something is there"],
  EISDIR: [Deno.errors.IsADirectory, "Is a directory"],
  ELOOP: [Deno.errors.FilesystemLoop, "Is a symbolic link"],
  ENOTDIR: [Deno.errors.NotADirectory, "Not a directory"],
} as const;

/** The error of the system call that we did not make because it would have followed, replaced or removed the wrong thing. */
function refusal(code: keyof typeof REFUSALS, call: string, at: string): Error {
  const [type, text] = REFUSALS[code];
  return Object.assign(new type(`${text}: ${call} '${at}'`), { code });
}
