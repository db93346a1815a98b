// The file system as dirsync uses it: one directory, the root, and what lies below it. Every path is a RelPath; no call
// follows a symbolic link at the path itself. Calls are synchronous: in the Worker where they run that is 2 to 5 times
// cheaper than promises. Errors are Deno's own classes (NotFound, AlreadyExists, PermissionDenied, ...), with the system's
// `code` where there is one.

import { joinPath, type RelPath } from "./path.ts";
import type { Digest } from "./types.ts";

/** In the place of a user or group number: none is known, or it is to stay as it is. */
export const NO_ID = 0xffff_ffff;

/** The mode bits with which a program runs as the user, or the group, that owns it. */
export const SETUID = 0o4000, SETGID = 0o2000;

/** Modes that entries have where the file system keeps none: those that others usually have. */
export const USUAL_MODES = { dir: 0o755, file: 0o644, symlink: 0o777, other: 0o644 } as const;

/** What the file system says about an entry. */
export interface Stat {
  /** "other": devices, sockets, FIFOs, which dirsync does not mirror. */
  readonly kind: "dir" | "file" | "symlink" | "other";
  /** Permission bits, 0..0o7777. */
  readonly mode: number;
  /** Number of the user that owns it; `NO_ID` where the layer knows no owners. */
  readonly uid: number;
  /** Number of the group; `NO_ID` where the layer knows no owners. */
  readonly gid: number;
  /** Bytes; of no meaning for directories. */
  readonly size: number;
  /** Bytes that the disk has for it: less than `size` where a file has holes. `size` where the layer cannot tell. */
  readonly allocated: number;
  /** Modification time, ns since the epoch, as exact as the layer can read it. */
  readonly mtimeNs: bigint;
  /** Status-change time, ns since the epoch; 0 where the layer cannot read it exactly. */
  readonly ctimeNs: bigint;
  /** Inode number; 0 where there is none. */
  readonly ino: bigint;
  /** Device number; 0 where there is none. */
  readonly dev: bigint;
  /** How many names it has; 1 where the layer cannot tell. Of no meaning for directories. */
  readonly nlink: number;
}

/** An entry of a directory. */
export interface Listed {
  readonly name: string;
  readonly stat: Stat;
}

/** What a directory holds, seen in one go. */
export interface Survey {
  /** Equal prints mean equal names, each with the same kind, mode, owner, size, times, inode and number of names. */
  readonly print: Digest;
  /** Whether the print is the one that was known. */
  readonly isKnown: boolean;
  /** All entries, in no order; of a directory whose print is known only the directories. */
  readonly entries: Listed[];
}

/** A file open for reading. */
export interface ReadableFile extends Disposable {
  /** By what other threads of this process can read the file, on the layers that have such. */
  readonly handle?: number;
  stat(): Stat;
  /** Reads at `offset` until `into` is full or the file ends; returns how many bytes. */
  readAt(offset: number, into: Uint8Array): number;
  /**
   * Where bytes are again that may be other than zero, from `offset` on: up to there is a hole, as far as the layer can tell. The
   * file's size where nothing else comes.
   */
  dataFrom(offset: number): number;
}

/** Blocks of the file systems that can share them (bytes). */
export const BLOCK_BYTES = 4096;

/** A file open for writing, from front to back. */
export interface WritableFile extends Disposable {
  /** As a file open for reading has it: what has been written can be read there. */
  readonly handle?: number;
  /** Appends all of `bytes`. One that fails may be made again: what it has written of them counts for nothing. */
  write(bytes: Uint8Array): void;
  /**
   * Appends up to `length` bytes of another file from `offset` on without reading them: where the file system can, both have the same
   * blocks then.
   * @returns How many; 0 where the system does not do that, or the other file ends there.
   */
  copy(source: ReadableFile, offset: number, length: number): number;
  /** Appends `length` zeros, as a hole where the file system has such; whoever reads the file finds them at once. */
  skip(length: number): void;
  /**
   * Appends a range of another file, of which both then share the blocks. Begins and ends between blocks (`BLOCK_BYTES`) in both.
   * @returns Whether it has; where the layer, the file system or these two files cannot, nothing has been appended.
   */
  clone(from: ReadableFile, offset: number, length: number): boolean;
  /** Sets the mode and the modification time; after the last write. */
  setMeta(meta: Meta): void;
  /** Returns once the content is on the disk. */
  sync(): void;
  /** Closes it. @returns What it is then. */
  finish(): Stat;
}

/** Metadata that can be set. */
export interface Meta {
  /** Permission bits; symbolic links have none. */
  readonly mode?: number;
  readonly mtimeNs: bigint;
}

/** Extended attributes by name: `user.*`, and POSIX access control lists as the attributes that they are. */
export type Xattrs = ReadonlyMap<string, Uint8Array>;

/** What a layer and the file system below it can do. */
export interface FsFeatures {
  /** Name of the layer, for `--verbose`. */
  readonly layer: string;
  /** What it cannot keep, for `--verbose`; each a few words. */
  readonly lacks: readonly string[];
  /** Smallest difference of times that is kept, ns. */
  readonly timeStepNs: bigint;
  /** Whether files have permission bits. */
  readonly modes: boolean;
  /** Whether files have owners that `lstat` tells and `chown` may set. */
  readonly owners: boolean;
  /** Whether extended attributes can be read and set. */
  readonly xattrs: boolean;
  /** Whether `syncAll` does anything. */
  readonly syncAll: boolean;
  /** Whether inode numbers identify entries. */
  readonly inodes: boolean;
  /** Whether a directory can be renamed whatever goes on in it: on Windows, whoever has a file in it open is in the way. */
  readonly movesDirs: boolean;
}

/** A directory and all below it, to be read. */
export interface FileTree {
  readonly features: FsFeatures;
  /** The entries of a directory, in no order; what vanishes meanwhile is left out. */
  list(dir: RelPath): Listed[];
  /** The same with a print, by which it is known when nothing has changed; dirsync's own folder at the root is left out. */
  survey(dir: RelPath, known: Digest | undefined): Survey;
  /** What is at `path`, or undefined if nothing is. */
  lstat(path: RelPath): Stat | undefined;
  readLink(path: RelPath): string;
  /** @throws {Deno.errors.NotFound} If it is gone. A symbolic link is not followed but refused. */
  openFile(path: RelPath): ReadableFile;
  /** The extended attributes of a file or directory; none for symbolic links, and where the layer knows none. */
  xattrs(path: RelPath): Xattrs;
}

/** A directory and all below it. All implementations pass one contract suite. */
export interface FileSystem extends FileTree {
  /** Makes a new file. @throws {Deno.errors.AlreadyExists} */
  createFile(path: RelPath, mode: number): WritableFile;
  /** Opens a file to be written on at its end; makes it where there is none. A symbolic link is not followed but refused. */
  appendTo(path: RelPath, mode: number): WritableFile;
  /** Makes a directory. @throws {Deno.errors.AlreadyExists} */
  mkdir(path: RelPath, mode: number): void;
  /** Makes a symbolic link with the text `target`. @throws {Deno.errors.AlreadyExists} */
  symlink(path: RelPath, target: string): void;
  /** Gives the file at `from` a second name. @throws {Deno.errors.AlreadyExists} */
  link(from: RelPath, to: RelPath): void;
  /** Renames; a file or symbolic link at `to` is replaced in the same instant. */
  rename(from: RelPath, to: RelPath): void;
  /** Renames to a place where nothing is. @throws {Deno.errors.AlreadyExists} */
  renameNew(from: RelPath, to: RelPath): void;
  /**
   * Two entries of any kind change places, in the same instant.
   * @returns Whether they have; where the layer or the file system cannot, nothing has happened.
   */
  exchange(a: RelPath, b: RelPath): boolean;
  /** Removes a file or symbolic link. */
  unlink(path: RelPath): void;
  /** Removes an empty directory. */
  rmdir(path: RelPath): void;
  /**
   * Sets metadata of the entry itself, of a symbolic link never that of its target.
   * @returns What that entry is then, whatever has come to its path meanwhile.
   */
  setMeta(path: RelPath, meta: Meta): Stat;
  /**
   * Gives an entry (a symbolic link itself) to a user and a group; `NO_ID` leaves what is. May take setuid and setgid bits away.
   * Does nothing where the layer knows no owners.
   */
  chown(path: RelPath, uid: number, gid: number): void;
  /** Makes `xattrs` all the extended attributes of a file or directory; does nothing where the layer knows none. */
  setXattrs(path: RelPath, xattrs: Xattrs): void;
  /** Returns once the names in `dir` are on the disk. */
  syncDir(dir: RelPath): void;
  /** Returns once all that was written below the root is on the disk, where `features.syncAll`; else does nothing. */
  syncAll(): void;
}

/** How the holes of a file are found, if it has any. */
export function holesOf(file: ReadableFile, { allocated, size }: Stat): ((offset: number) => number) | undefined {
  return allocated < size ? (offset) => file.dataFrom(offset) : undefined;
}

/** The number that all names of this entry have in common: its inode's, in the bits that a number can hold. */
export function linkOf({ ino }: Stat): number {
  return Number(BigInt.asUintN(53, ino ^ (ino >> 53n))) || 1;
}

/** Removes whatever is at `path`, directories with all that is in them; nothing there is fine. */
export function removeTree(fs: FileSystem, path: RelPath): void {
  const stat = fs.lstat(path);
  if (!stat) return;
  if (stat.kind !== "dir") return fs.unlink(path);
  for (const { name } of fs.list(path)) removeTree(fs, joinPath(path, name));
  fs.rmdir(path);
}

/** Renames what is at `from` to `to`, in place of what may be there; of two names of one file, rename(2) alone would leave both. */
export function replace(fs: FileSystem, from: RelPath, to: RelPath): void {
  const there = fs.lstat(to);
  if (there && there.ino !== 0n && fs.lstat(from)?.ino === there.ino) fs.unlink(from);
  else fs.rename(from, to);
}
