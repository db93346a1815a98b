// One commit's part of the history: takes what is replaced and removed, by rename, and notes what was done. At every moment the
// mirror has one whole version of a file in its place, and whatever comes out of a place, somebody else's too, is kept.

import { type FileSystem, NO_ID, replace, SETGID, SETUID, type Stat } from "../core/fs.ts";
import { isWithin, joinPath, parentOf, type RelPath } from "../core/path.ts";
import type { Node } from "../core/entry_rows.ts";
import { CHUNKS_FROM_BYTES, type TreeIndex } from "../core/tree_index.ts";
import type { HistoryDeps } from "./history.ts";
import { dayOf, type Effect, encodeLines, logPath, type Stamp } from "./history_log.ts";
import { HISTORY_DIR, pathOrSlot, PRIVATE_DIR } from "./places.ts";
import { isSame, nameWent } from "./seen.ts";

/** More about what goes. */
export interface Removed {
  /** Where it lies, if it has been taken out of its place already. */
  readonly at?: RelPath;
  /** Where it was for people, if that is another place. */
  readonly was?: RelPath | undefined;
  /** What the index knows there; it goes from the tree. */
  readonly node?: Node | undefined;
}

/** What goes, and where it was in the mirror or in a slot. */
type Gone = Removed & {
  readonly at: RelPath;
  readonly path: RelPath;
  readonly was: RelPath;
  /** Another name that it has. */
  readonly twin: RelPath | undefined;
};

/** What the history gives to each of its moments. */
export interface MomentDeps {
  readonly nextStamp: () => Stamp;
  /** Takes how many bytes more it holds. */
  readonly grew: (bytes: number) => void;
}

/** One commit's part of the history. */
export class Moment {
  readonly #fs: FileSystem;
  readonly #keeps: boolean;
  readonly #index: TreeIndex | undefined;
  readonly #of: MomentDeps;
  #stamp: Stamp | undefined;
  /** Directories of ours in the folder, and what is kept there, by place. */
  #dirs = new Set<RelPath>();
  #kept = new Set<RelPath>();
  /** Directories that were made in this commit; what is new in them is no news. */
  readonly #made = new Set<RelPath>();
  #did: Effect[] = [];
  #text = "";
  #bytes = 0;
  #logged = false;
  /** Directories of the history in which names have changed. */
  readonly changed = new Set<RelPath>();
  /** Why the log could not be written: without it, it can be told less well what was where, but nothing is lost. */
  failure: unknown;
  /** What was not as the index says: somebody else's change. */
  readonly foreign = new Set<RelPath>();

  /** Whether something has gone because it has another name, which may be as new. */
  hasLeftTwin = false;

  constructor({ fs, keeps }: HistoryDeps, index: TreeIndex | undefined, of: MomentDeps) {
    this.#fs = fs;
    this.#keeps = keeps;
    this.#index = index;
    this.#of = of;
  }

  /** The time of this commit; no other has it. */
  get stamp(): Stamp {
    return this.#stamp ??= this.#of.nextStamp();
  }

  /** Takes what is at `path` out of the mirror, directories with all that is in them. Nothing there is fine. */
  remove(path: RelPath, { at = path, was = path, node }: Removed = {}): void {
    const there = this.#fs.lstat(at);
    if (there) {
      // Nobody else comes to a slot.
      if (node && was === path) this.#look(path, there, node);
      this.#takeAway(there, { at, path, was, node, twin: this.#twinOf(there, path) });
    } else if (node) this.#index?.remove(node.id);
  }

  /**
   * Puts what is at `from`, a place that nobody sees, in the place of what is at `to`, which at every moment holds one of the two.
   * @param node What the index knows at `to`; it goes from the tree.
   */
  replace(from: RelPath, to: RelPath, node?: Node): void {
    const fs = this.#fs;
    const there = fs.lstat(to);
    if (!there) {
      fs.renameNew(from, to);
      if (node) this.#index?.remove(node.id);
      return;
    }
    const twin = this.#twinOf(there, to);
    const gone = { at: from, path: to, was: to, node, twin };
    if (node) this.#look(to, there, node);
    else if (twin === undefined) this.foreign.add(to);
    if (!this.#keeps && there.kind !== "dir") {
      replace(fs, from, to);
      return this.#leftTwin(there, gone);
    }
    // Made before the exchange: from then on only a rename is left to do.
    const place = this.#keeps && twin === undefined ? this.#placeFor(to) : undefined;
    if (fs.exchange(from, to)) {
      try {
        this.#takeAway(there, gone, place);
      } catch (error) {
        fs.exchange(from, to);
        throw error;
      }
    } else if (twin !== undefined) {
      replace(fs, from, to);
      this.#leftTwin(there, gone);
    } else {
      this.#replaceInTwo(from, there, { ...gone, at: to }, place);
    }
  }

  /** Notes that something came to be at `path`, where nothing was. */
  created(path: RelPath, isDir = false): void {
    if (!this.#made.has(parentOf(path))) this.#note(["+", path]);
    if (isDir) this.#made.add(path);
  }

  /** Notes that something has moved. */
  moved(from: RelPath, to: RelPath): void {
    this.#made.clear();
    this.#note([">", from, to]);
  }

  /** Notes what attributes something had that is given others; all names of a file have them in common. */
  changing(path: RelPath, { id, entry, seen }: Node, hasNames = false): void {
    const paths = [path];
    for (const other of hasNames && seen && this.#index ? this.#index.withInode(seen.ino) : []) {
      const at = other.id === id ? undefined : pathOrSlot(this.#index!, other.id);
      if (at !== undefined) paths.push(at);
    }
    const { mode, mtimeNs, uid, gid } = seen ?? { ...entry, uid: NO_ID, gid: NO_ID };
    for (const each of paths) {
      if (this.#made.has(each) || this.#made.has(parentOf(each))) continue;
      this.#note(["=", each, mode, String(mtimeNs), uid, gid]);
    }
  }

  /** Notes that what was at `path` had gone to `place` of the history before a crash. */
  hadGone(path: RelPath, place: RelPath): void {
    this.#made.clear();
    this.#note(["-", path, place]);
  }

  /** Whether there is something to write. */
  get hasNews(): boolean {
    return this.#text !== "" || this.#did.length > 0;
  }

  /**
   * Writes the log, and tells the index how much more the history holds.
   * @param fsync Whether the log must be on the disk then.
   */
  write(fsync: boolean): void {
    this.#close();
    this.#bytes += this.#text.length;
    if (this.#bytes > 0) this.#of.grew(this.#bytes);
    this.#bytes = 0;
    try {
      if (this.#text !== "") this.#writeLog(fsync);
    } catch (error) {
      this.failure = error;
    }
    this.#text = "";
  }

  #writeLog(fsync: boolean): void {
    this.#makeHistory();
    const path = logPath(dayOf(this.stamp));
    if (!this.#fs.lstat(path)) this.changed.add(HISTORY_DIR);
    using file = this.#fs.appendTo(path, 0o600);
    file.write(new TextEncoder().encode(this.#text));
    if (fsync) file.sync();
  }

  /** Where something with other names is put into the place of another, there are two steps, or a moment without either. */
  #replaceInTwo(from: RelPath, there: Stat, gone: Gone, place: RelPath | undefined): void {
    const fs = this.#fs, to = gone.path;
    let linked = false;
    try {
      if (place !== undefined && there.kind !== "dir") {
        fs.link(to, place);
        linked = true;
      }
    } catch {
      // No hard links here.
    }
    if (!linked) this.#takeAway(there, gone, place);
    replace(fs, from, to);
    if (linked) this.#gone(there, gone, place!);
  }

  /** Moves what is at `at` to its place in the history, unless it is still there under another name. */
  #takeAway(there: Stat, gone: Gone, place = this.#keeps ? this.#placeFor(gone.was) : undefined): void {
    const fs = this.#fs;
    const { at, path } = gone;
    if (place !== undefined) {
      // Where it is, somebody else may come to it: what has been moved is what counts.
      const isOpen = at === path;
      if (isOpen) this.#rename(at, place, there);
      const now = isOpen ? place : at;
      if (gone.twin === undefined || fs.lstat(now)?.ino !== there.ino) {
        if (!isOpen) this.#rename(at, place, there);
        return this.#gone(there, gone, place);
      }
      fs.unlink(now);
    } else this.#destroy(at, gone);
    this.#leftTwin(there, gone);
  }

  /** Where no history is kept. */
  #destroy(at: RelPath, { node }: Gone): void {
    const special = node?.entry.kind === "dir" ? this.#index?.specialIn(node.id) ?? [] : [];
    const stats = special.map((below) => this.#fs.lstat(joinPath(at, below)));
    removeWritable(this.#fs, at);
    for (const stat of stats) if (stat && stat.nlink > 1 && this.#index) nameWent(this.#fs, this.#index, stat);
  }

  /** Notes that nothing has to be kept of what went, for it has another name. */
  #leftTwin(there: Stat, { path, node, twin }: Gone): void {
    if (node) this.#index?.remove(node.id);
    if (there.kind === "dir" || there.nlink < 2 || !this.#index) return;
    this.hasLeftTwin = true;
    if (twin !== undefined) this.#note(["&", path, twin]);
    // That one of its names has gone is no change of the others.
    nameWent(this.#fs, this.#index, there);
  }

  /** Another name, in the mirror or a slot, of what is at `path`, but none in the directory `outside`. */
  #twinOf(there: Stat, path: RelPath, outside?: RelPath): RelPath | undefined {
    if (there.kind === "dir" || there.nlink < 2) return undefined;
    const twins = this.#index?.withInode(there.ino).map(({ id }) => pathOrSlot(this.#index!, id)) ?? [];
    return twins.find((twin) =>
      twin !== undefined && twin !== path && !(outside !== undefined && isWithin(twin, outside)) &&
      this.#fs.lstat(twin)?.ino === there.ino
    );
  }

  /** Renames; of a directory the name of its parent is written in itself, whoever may write there. */
  #rename(from: RelPath, to: RelPath, { kind, mode, mtimeNs }: Stat): void {
    const fs = this.#fs;
    try {
      fs.rename(from, to);
    } catch (error) {
      if (!(error instanceof Deno.errors.PermissionDenied) || kind !== "dir" || (mode & 0o200) !== 0) throw error;
      fs.setMeta(from, { mode: mode | 0o700, mtimeNs });
      fs.rename(from, to);
      fs.setMeta(to, { mode, mtimeNs });
    }
  }

  /** Notes that what was at `path` is at `place` now. */
  #gone(there: Stat, { path, was, node }: Gone, place: RelPath): void {
    const index = this.#index;
    const isDir = there.kind === "dir";
    this.#kept.add(place);
    this.changed.add(parentOf(place));
    this.#made.clear();
    if (isDir && node?.entry.kind === "dir") this.#goThrough(path, place, node);
    else if (there.kind === "file") this.#disarm(path, place, there);
    const inHistory = place.slice(HISTORY_DIR.length + 1) as RelPath;
    this.#note(path === was ? ["-", path] : ["-", path, inHistory]);
    if (!index) return;
    this.#bytes += isDir && node ? index.bytesIn(node.id) : there.kind === "file" ? there.size : 0;
    if (!node) return;
    // Its chunks stay known, so that it can come back without its content travelling.
    if (node.entry.kind === "dir" || node.entry.kind === "file" && node.entry.size >= CHUNKS_FROM_BYTES) {
      index.keep(node, inHistory);
    } else index.remove(node.id);
  }

  /** Programs in the history run as nobody but who starts them. */
  #disarm(path: RelPath, place: RelPath, { mode, mtimeNs }: Stat): void {
    if ((mode & (SETUID | SETGID)) === 0) return;
    this.#note(["=", path, mode, String(mtimeNs), NO_ID, NO_ID]);
    this.#fs.setMeta(place, { mode: mode & 0o1777, mtimeNs });
  }

  /** The same for what is in a directory; and what of it has other names in the mirror need not be kept. */
  #goThrough(dir: RelPath, place: RelPath, node: Node): void {
    const fs = this.#fs;
    for (const below of this.#index?.specialIn(node.id) ?? []) {
      const path = joinPath(dir, below), at = joinPath(place, below), stat = fs.lstat(at);
      if (!stat || stat.kind === "dir") continue;
      const twin = this.#twinOf(stat, path, dir);
      if (twin === undefined) this.#disarm(path, at, stat);
      else {
        removeWritable(fs, at);
        this.#leftTwin(stat, { at, path, was: path, twin });
      }
    }
  }

  /** The last look at what is about to go: where it is not what the index says, somebody else has changed it. */
  #look(path: RelPath, there: Stat, node: Node): void {
    if (!node.seen || there.kind === "dir" && node.entry.kind === "dir") return;
    const { seen } = node;
    // What is done to one name of a file is done to all.
    const { mode, uid, gid, mtimeNs, ctimeNs } = there.nlink > 1 ? seen : there;
    if (!isSame(node, { ...there, mode, uid, gid, mtimeNs, ctimeNs })) this.foreign.add(path);
  }

  #note(effect: Effect): void {
    if (this.#keeps) this.#did.push(effect);
  }

  /** A free place for what was at `was`. What has no room beside what this commit has kept already gets a time of its own. */
  #placeFor(was: RelPath): RelPath {
    for (;;) {
      const place = joinPath(joinPath(HISTORY_DIR, this.stamp), was);
      if (!this.#dirs.has(place) && !this.#kept.has(place) && this.#makeDir(parentOf(place))) return place;
      this.#close();
      this.#stamp = this.#of.nextStamp();
      this.#dirs = new Set();
      this.#kept = new Set();
    }
  }

  /** Makes a directory for what is kept. @returns Whether it could be: what is kept itself is none. */
  #makeDir(dir: RelPath): boolean {
    if (this.#dirs.has(dir)) return true;
    if (this.#kept.has(dir)) return false;
    if (dir === HISTORY_DIR) this.#makeHistory();
    else {
      if (!this.#makeDir(parentOf(dir))) return false;
      this.#fs.mkdir(dir, 0o700);
      this.changed.add(parentOf(dir)).add(dir);
    }
    this.#dirs.add(dir);
    return true;
  }

  #makeHistory(): void {
    if (this.#logged) return;
    this.#logged = true;
    if (this.#fs.lstat(HISTORY_DIR)) return;
    this.#fs.mkdir(HISTORY_DIR, 0o700);
    this.changed.add(PRIVATE_DIR).add(HISTORY_DIR);
  }

  /** Ends what belongs to this stamp. */
  #close(): void {
    if (this.#did.length > 0) this.#text += encodeLines(this.stamp, this.#did);
    this.#did = [];
  }
}

/** Removes whatever is at `path`, also out of directories that nobody may write to. */
export function removeWritable(fs: FileSystem, path: RelPath): void {
  const stat = fs.lstat(path);
  if (!stat) return;
  if (stat.kind !== "dir") return fs.unlink(path);
  if ((stat.mode & 0o700) !== 0o700) fs.setMeta(path, { mode: stat.mode | 0o700, mtimeNs: stat.mtimeNs });
  for (const { name } of fs.list(path)) removeWritable(fs, joinPath(path, name));
  fs.rmdir(path);
}
