// The directories that one commit works in: what they had before, which they get back when everything in them has changed, and in
// which order their names are put on the disk.

import { ProblemError } from "../core/errors.ts";
import type { FileSystem } from "../core/fs.ts";
import type { RelPath } from "../core/path.ts";
import type { Node } from "../core/entry_rows.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { Kind } from "../core/types.ts";
import type { Present } from "./metadata.ts";
import type { Moment } from "./moment.ts";
import { pathOrSlot, SLOT_DIR } from "./places.ts";
import type { Placing } from "./placing.ts";
import { isSame } from "./seen.ts";

/** Up to so many directories (and the history's log) a commit are made durable one by one. */
const FEW_DIRS = 8;

/** Directories in or of which a commit changes something. */
export class Touched {
  readonly #fs: FileSystem;
  readonly #index: TreeIndex;
  readonly #moment: Moment;
  readonly #placing: Placing;
  /** What they had before, by id. */
  readonly #dirs = new Map<number, Present>();
  /** Whether something has been put into a slot. */
  #hasParked = false;
  /** Whether a directory has been made, how much has moved, and whether a directory has. */
  #hasMade = false;
  #moves = 0;
  #hasMovedDir = false;

  constructor(fs: FileSystem, index: TreeIndex, moment: Moment, placing: Placing) {
    this.#fs = fs;
    this.#index = index;
    this.#moment = moment;
    this.#placing = placing;
  }

  get ids(): Iterable<number> {
    return this.#dirs.keys();
  }

  /** What a directory had before it was touched, if it was. */
  presentOf(id: number): Present | undefined {
    return this.#dirs.get(id);
  }

  /**
   * Notes that a directory's times have to be set again, before something changes in it: until then it is to be seen whether somebody
   * else has given it other owners or attributes.
   */
  touch(id: number): void {
    if (id <= 0 || this.#dirs.has(id)) return;
    const node = this.#index.get(id), path = pathOrSlot(this.#index, id);
    if (!node || path === undefined) return;
    // Everything that comes or goes in it changes its time.
    this.#moment.changing(path, node);
    const stat = this.#fs.lstat(path), owner = stat ?? node.seen;
    if (!owner) throw new ProblemError("it is not there any more");
    this.#dirs.set(id, { owner, xattrs: stat && isSame(node, stat) ? node.entry.xattrs : undefined });
  }

  /** A directory has been made. */
  made(id: number, present: Present): void {
    this.#hasMade = true;
    this.#dirs.set(id, present);
  }

  /** Something has moved to another place. */
  moved(kind: Kind): void {
    this.#moves++;
    this.#hasMovedDir ||= kind === "dir";
  }

  /** Something has been put into a slot. */
  parked(): void {
    this.#hasParked = true;
  }

  /** Writes the history's log, and puts it and all names on the disk. */
  makeDurable(fsync: boolean): void {
    const { changed, hasNews } = this.#moment;
    const names = this.#dirs.size + changed.size + (hasNews ? 1 : 0);
    // Of what has moved into a directory that is new, or has moved as well, and of what has gone because it has another name, no order
    // of single syncs has one name or the other at every moment.
    const isTangled = this.#moment.hasLeftTwin || this.#hasMade && this.#moves > 0 ||
      this.#hasMovedDir && this.#moves > 1;
    const all = fsync && (names > FEW_DIRS || isTangled) && this.#fs.features.syncAll;
    this.#moment.write(fsync && !all);
    if (all) return this.#fs.syncAll();
    if (!fsync) return;
    // Where something has come to is on the disk before the place that it came from.
    for (const dir of changed) this.#fs.syncDir(dir);
    // A file system without a journal may have half of a rename.
    if (this.#hasParked) this.#fs.syncDir(SLOT_DIR);
    for (const { path } of [...this.dirs()]) this.#syncTouched(path);
  }

  #syncTouched(path: RelPath): void {
    const sync = () => this.#placing.writing([path], () => this.#fs.syncDir(path));
    try {
      sync();
    } catch (error) {
      // Somebody else has taken it away, which is told with its metadata.
      if (this.#fs.lstat(path)?.kind !== "dir") return;
      if (!(error instanceof Deno.errors.NotADirectory || error instanceof Deno.errors.NotFound)) throw error;
      // Or had, and has put it back.
      sync();
    }
  }

  /** The directories that were touched and are in the mirror still. */
  *dirs(): Generator<{ id: number; node: Node; path: RelPath; present: Present }> {
    for (const [id, present] of this.#dirs) {
      const path = this.#index.pathOf(id), node = this.#index.get(id);
      if (path !== undefined && node?.entry.kind === "dir") yield { id, node, path, present };
    }
  }
}
