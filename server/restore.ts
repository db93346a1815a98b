// Brings back what was: copies it, with all that it had, to another directory or to its place in the mirror.

import { FatalError, reasonOf } from "../core/errors.ts";
import { type FileSystem, NO_ID, type Stat } from "../core/fs.ts";
import { joinPath, parentOf, type RelPath, ROOT } from "../core/path.ts";
import { GroupSync } from "./group_sync.ts";
import { writeParts } from "./holes.ts";
import type { Moment } from "./moment.ts";
import type { Past, PastNode } from "./past.ts";
import { freeSlot } from "./places.ts";

/** Copied at a time, where the system does not do it. */
const COPY_BYTES = 1 << 20;

/** What came of it. */
export interface Restored {
  files: number;
  bytes: number;
  /** Files of which only a later version is left. */
  later: number;
  /** What could not be brought back, and why. */
  readonly problems: { readonly path: RelPath; readonly reason: string }[];
}

/** Copies entries as they were. */
export class Restore {
  readonly #from: FileSystem;
  readonly #to: FileSystem;
  readonly #past: Past;
  readonly #buffer = new Uint8Array(COPY_BYTES);
  /** Files with several names that have been copied, by inode number. */
  readonly #copied = new Map<bigint, RelPath>();
  readonly #synced: GroupSync;
  readonly done: Restored = { files: 0, bytes: 0, later: 0, problems: [] };

  /**
   * @param from The mirror.
   * @param to Where it is copied to.
   */
  constructor(from: FileSystem, to: FileSystem, past: Past) {
    this.#from = from;
    this.#to = to;
    this.#synced = new GroupSync(to);
    this.#past = past;
  }

  /** Copies `node` to `at`, where nothing is. @param was Its path in the mirror, for people. */
  copy(node: PastNode, at: RelPath, was: RelPath): void {
    try {
      this.#copy(node, at, was);
    } catch (error) {
      this.done.problems.push({ path: was, reason: reasonOf(error) });
    }
  }

  #copy(node: PastNode, at: RelPath, was: RelPath): void {
    const { place } = node;
    const stat = place === undefined ? undefined : this.#from.lstat(place);
    if (node.kind === "dir") {
      // Writable for us until everything is in it.
      if (at !== ROOT) this.#to.mkdir(at, 0o700);
      for (const [name, child] of this.#past.children(node)!) this.copy(child, joinPath(at, name), joinPath(was, name));
      return this.#dress(node, place, stat, at);
    }
    if (place === undefined || stat?.kind !== node.kind) throw new Deno.errors.NotFound("it is not there any more");
    const names = stat.ino !== 0n && (stat.nlink > 1 || node.hasNames);
    const twin = names ? this.#copied.get(stat.ino) : undefined;
    if (twin !== undefined) this.#to.link(twin, at);
    else {
      if (node.kind === "symlink") this.#to.symlink(at, this.#from.readLink(place));
      else this.#copyFile(place, at);
      this.#dress(node, place, stat, at);
      if (names) this.#copied.set(stat.ino, at);
    }
    this.done.files++;
    if (stat.kind === "file") this.done.bytes += stat.size;
    if (node.isLater) this.done.later++;
  }

  #copyFile(place: RelPath, at: RelPath): void {
    using source = this.#from.openFile(place);
    using file = this.#to.createFile(at, 0o600);
    const { size, allocated } = source.stat(), isSparse = allocated < size;
    let done = 0;
    // The system would fill holes.
    for (let count = 1; count > 0 && !isSparse && done < size; done += count) {
      count = file.copy(source, done, size - done);
    }
    for (let count; (count = source.readAt(done, this.#buffer)) > 0; done += count) {
      writeParts(this.#buffer.subarray(0, count), done, isSparse, file);
    }
    this.#synced.add(file);
  }

  /** Returns once what was copied is on the disk. */
  sync(): void {
    this.#synced.finish();
  }

  /** Gives what was copied the attributes that it had. */
  #dress({ kind, attributes }: PastNode, place: RelPath | undefined, stat: Stat | undefined, at: RelPath): void {
    const to = this.#to;
    if (!stat && !attributes) return void to.setMeta(at, { mode: 0o755, mtimeNs: to.lstat(at)!.mtimeNs });
    const { mtimeNs } = attributes ?? stat!;
    const owner = {
      uid: known(attributes?.uid) ?? stat?.uid ?? NO_ID,
      gid: known(attributes?.gid) ?? stat?.gid ?? NO_ID,
    };
    const owned = this.#chown(at, owner);
    if (kind === "symlink") return void to.setMeta(at, { mtimeNs });
    if (place !== undefined && this.#from.features.xattrs) this.#setXattrs(place, at);
    const mode = (attributes ?? stat!).mode;
    // A program runs as its owner only if it belongs to the same one.
    to.setMeta(at, { mode: owned ? mode : mode & 0o1777, mtimeNs });
  }

  /** @returns Whether it belongs to whom it did. */
  #chown(at: RelPath, { uid, gid }: { uid: number; gid: number }): boolean {
    const now = this.#to.lstat(at)!;
    if (now.uid === uid && now.gid === gid) return true;
    try {
      this.#to.chown(at, uid, gid);
      return this.#to.features.owners;
    } catch {
      // Only root may give files away.
      return false;
    }
  }

  #setXattrs(place: RelPath, at: RelPath): void {
    try {
      const xattrs = this.#from.xattrs(place);
      if (xattrs.size > 0) this.#to.setXattrs(at, xattrs);
    } catch {
      // Another file system, that has none such.
    }
  }
}

/**
 * Puts what was at `path` back into its place in the mirror; what is there now goes to the history. At every moment one of the
 * two is there, whole, but for directories.
 * @throws {FatalError} If there is no directory for it.
 */
export function putBack(
  fs: FileSystem,
  restore: Restore,
  moment: Moment,
  path: RelPath,
  node: PastNode | undefined,
): void {
  const dir = parentOf(path), parent = fs.lstat(dir);
  if (parent?.kind !== "dir") {
    throw new FatalError(`Cannot restore "${path}": "${dir}" is no directory now; restore that`);
  }
  const there = fs.lstat(path);
  if (!node) moment.remove(path);
  else {
    const at = freeSlot(fs), before = restore.done.problems.length;
    restore.copy(node, at, path);
    restore.sync();
    if (restore.done.problems.length > before && !fs.lstat(at)) return;
    if (there && (there.kind === "dir" || node.kind === "dir")) {
      moment.remove(path);
      fs.renameNew(at, path);
    } else if (there) moment.replace(at, path);
    else fs.renameNew(at, path);
    moment.created(path, node.kind === "dir");
  }
  fs.setMeta(dir, { mode: parent.mode, mtimeNs: parent.mtimeNs });
  fs.syncDir(dir);
}

function known(id: number | undefined): number | undefined {
  return id === NO_ID ? undefined : id;
}
