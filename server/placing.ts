// Puts things to their places in the mirror, one call to the file system after the other: nothing is replaced but what the index
// knows to be there, what somebody else has put there goes to the history, and what fails leaves all as it was.

import { ProblemError } from "../core/errors.ts";
import { type FileSystem, removeTree, type Stat } from "../core/fs.ts";
import { nameOf, parentOf, type RelPath } from "../core/path.ts";
import type { Node } from "../core/entry_rows.ts";
import type { FileEntry, SymlinkEntry } from "../core/types.ts";
import type { CommitStep } from "./journal.ts";
import type { Metadata } from "./metadata.ts";
import type { Moment } from "./moment.ts";
import { freeSlot } from "./places.ts";

/** Why a file cannot be given another name now, though its file system knows such names. */
const PASSING: ReadonlySet<unknown> = new Set([
  "EACCES",
  "EDQUOT",
  "EIO",
  "EMFILE",
  "ENFILE",
  "ENOENT",
  "ENOMEM",
  "ENOSPC",
  "EROFS",
]);

/** Read and written at a time where a file is copied. */
const COPY_BYTES = 1 << 20;

/** What was put somewhere, as lstat told of it before; undefined where it did not. */
export type Made = Stat | undefined;

/** The places of one mirror, during one commit. */
export class Placing {
  readonly #fs: FileSystem;
  readonly #metadata: Metadata;
  readonly #moment: Moment;
  readonly #stays: Map<RelPath, bigint>;

  /** @param stays Files that have been parked and stay visible until they are replaced, by path, with their inode numbers. */
  constructor(fs: FileSystem, metadata: Metadata, moment: Moment, stays: Map<RelPath, bigint>) {
    this.#fs = fs;
    this.#metadata = metadata;
    this.#moment = moment;
    this.#stays = stays;
  }

  /** Takes something out of sight for `what`; where that fails, it comes back. */
  hide(path: RelPath, what: (at: RelPath) => void): void {
    const at = freeSlot(this.#fs);
    this.#fs.rename(path, at);
    try {
      what(at);
    } catch (error) {
      this.#fs.renameNew(at, path);
      throw error;
    }
  }

  /**
   * Puts what has been made at `at` to `path`, in place of what is there.
   * @param made What it is: not always what is at `at`, if this is tried again.
   */
  make(at: RelPath, path: RelPath, old?: Node, made: Made = this.#fs.lstat(at)): Made {
    this.place(at, path, old);
    this.#moment.created(path);
    return made;
  }

  /** Renames something to `to`; with `old`, which the index knows there, from where nobody sees it. */
  place(from: RelPath, to: RelPath, old?: Node): void {
    if (old) return this.#moment.replace(from, to, old);
    try {
      this.#fs.renameNew(from, to);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      const stays = this.#stays.get(to);
      this.#stays.delete(to);
      const there = this.#fs.lstat(to), ino = this.#fs.lstat(from)?.ino;
      if (stays !== undefined && there?.ino === stays) return this.#moment.replace(from, to);
      // A new spelling of its own name, for a file system that takes both for the same.
      if (foldName(nameOf(from)) === foldName(nameOf(to)) && parentOf(from) === parentOf(to) && there?.ino === ino) {
        return this.#fs.rename(from, to);
      }
      const twin = this.twinError(to);
      if (twin || there?.kind === "dir") throw twin ?? error;
      // Somebody else's.
      this.#moment.foreign.add(to);
      this.#moment.remove(to);
      this.#fs.renameNew(from, to);
    }
  }

  /** What to say where the file system takes another name for this one. */
  twinError(path: RelPath): ProblemError | undefined {
    const name = nameOf(path);
    const names = this.#fs.list(parentOf(path)).map((listed) => listed.name);
    const twin = names.includes(name) ? undefined : names.find((other) => foldName(other) === foldName(name));
    if (twin === undefined) return undefined;
    return new ProblemError(`the mirror's file system takes it for the same name as ${JSON.stringify(twin)}`);
  }

  /** Puts a directory that was staged to its place, with all that is in it. @returns Whether it has. */
  stagedDir(at: RelPath, path: RelPath): boolean {
    try {
      this.#fs.renameNew(at, path);
    } catch {
      // Something is there, which is told when it is made there; or another file system is: then its files come by themselves.
      return false;
    }
    return true;
  }

  /** Gives the file at `from` a second name `at`; where the file system has no such thing, makes a copy. */
  link(from: RelPath, at: RelPath, entry: FileEntry | SymlinkEntry): void {
    try {
      this.#fs.link(from, at);
    } catch (error) {
      if (PASSING.has((error as { code?: unknown }).code)) throw error;
      this.copy(from, entry, at);
    }
  }

  /** Makes a symbolic link at `at`, where nobody sees it. */
  symlink(at: RelPath, entry: SymlinkEntry): void {
    this.#fs.symlink(at, entry.target);
    this.#metadata.apply(at, "symlink", entry, { owner: this.#fs.lstat(at)!, xattrs: "" });
  }

  /** Makes a file or symbolic link at `at` that is like the one at `from`. */
  copy(from: RelPath, entry: FileEntry | SymlinkEntry, at: RelPath): void {
    if (entry.kind === "symlink") return this.symlink(at, entry);
    using file = this.#fs.createFile(at, entry.mode & 0o777 | 0o600);
    using source = this.#fs.openFile(from);
    const bytes = new Uint8Array(COPY_BYTES);
    for (let done = 0, count; (count = source.readAt(done, bytes)) > 0; done += count) {
      file.write(bytes.subarray(0, count));
    }
    this.#metadata.applyTo(file, at, entry, { owner: this.#fs.lstat(at)!, xattrs: "" });
    file.sync();
  }

  /** Does something in directories that may have to be made writable for it; what a directory is in is written in it as well. */
  writing<T>(dirs: readonly RelPath[], what: () => T): T {
    try {
      return what();
    } catch (error) {
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
      for (const dir of dirs) {
        const stat = this.#fs.lstat(dir);
        if (stat?.kind === "dir") this.#fs.setMeta(dir, { mode: stat.mode | 0o700, mtimeNs: stat.mtimeNs });
      }
      return what();
    }
  }

  /** Whether two names are of one file. */
  isOneFile(a: RelPath, b: RelPath): boolean {
    const one = this.#fs.lstat(a);
    return one !== undefined && one.ino !== 0n && one.ino === this.#fs.lstat(b)?.ino;
  }

  /** Gives a file a second name. @returns Whether the file system has such. */
  tryLink(from: RelPath, to: RelPath): boolean {
    try {
      this.#fs.link(from, to);
      return true;
    } catch {
      return false;
    }
  }

  /** Removes a staged file that nobody will come for; if that fails, the next start does it. */
  discard({ at, ino }: CommitStep & { op: "file" }): void {
    try {
      // What the file has replaced may lie there, and must not go.
      if (this.#fs.lstat(at)?.ino === ino) this.#fs.unlink(at);
    } catch {
      // It may have been renamed already.
    }
  }

  /** The same for a staged directory: what was in it has been put to its place by itself, or is of no use either. */
  discardDir(at: RelPath): void {
    try {
      removeTree(this.#fs, at);
    } catch {
      // What is left of it is out of sight.
    }
  }
}

/** A name as file systems see it that tell neither upper from lower case nor composed letters from others. */
function foldName(name: string): string {
  return name.normalize("NFC").toLowerCase();
}
