// The commit: carries steps out on the mirror, each on the disk and in the index. A step that fails is a problem of its path;
// the others go on. Directories get their times and modes back at the end, after everything in them has changed.

import { ProblemError, reasonOf } from "../core/errors.ts";
import { type FileSystem, removeTree, type Stat } from "../core/fs.ts";
import { joinPath, nameOf, parentOf, type RelPath, ROOT } from "../core/path.ts";
import type { Node } from "../core/entry_rows.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { Change } from "../core/events.ts";
import {
  type Attributes,
  type DirEntry,
  type Entry,
  type FileEntry,
  type Problem,
  type Recipe,
  sameAttributes,
  type SymlinkEntry,
} from "../core/types.ts";
import type { CommitStep } from "./journal.ts";
import type { Metadata, Present } from "./metadata.ts";
import type { Moment } from "./moment.ts";
import { freeSlot, pathOrSlot, SLOT_DIR, slotPath } from "./places.ts";
import { isSame, nameWent, seenOf } from "./seen.ts";

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

/** Up to so many directories (and the history's log) a commit are made durable one by one. */
const FEW_DIRS = 8;

/** A step with what is known of it beside: what a crash makes nobody miss. */
export type IndexedStep = CommitStep & {
  /** Of a file, for the index. */
  readonly recipe?: Recipe;
  /** What lstat says of a file where it was staged. */
  readonly staged?: Stat;
  /** Where a directory that is to be made was staged, with files in it. */
  readonly dirAt?: RelPath;
};

/** What the journal is to say of a step. */
export function journaled({ recipe: _, staged: __, dirAt: ___, ...step }: IndexedStep): CommitStep {
  return step;
}

/** What was put somewhere, as lstat told of it before; undefined where it did not. */
type Made = Stat | undefined;

/** What is between two places. */
export interface Parked {
  /** Where what is in each slot was before. */
  readonly from: Map<number, RelPath>;
  /** Files that have been parked and stay visible until they are replaced, by path, with their inode numbers. */
  readonly stays: Map<RelPath, bigint>;
}

/** Carries out the steps of one commit. */
export class Commit {
  readonly #fs: FileSystem;
  readonly #index: TreeIndex;
  readonly #metadata: Metadata;
  readonly #parked: Parked;
  readonly #moment: Moment;
  /** Directories in or of which something changes, by id, with what they had before. */
  readonly #touched = new Map<number, Present>();
  /** Files of which a name has gone, by inode number. */
  readonly #parted = new Set<bigint>();
  /** Whether something has been put into a slot. */
  #hasParked = false;
  /** Whether a directory has been made, how much has moved, and whether a directory has. */
  #hasMade = false;
  #moves = 0;
  #hasMovedDir = false;
  /** Where directories that were staged have come to; undefined if they have not. */
  readonly #stagedDirs = new Map<RelPath, RelPath | undefined>();
  readonly problems: Problem[] = [];
  /** What was changed, as people see it. */
  readonly changes: Change[] = [];
  /** Directories that are not as the index says. */
  readonly doubtful = new Set<RelPath>();

  /**
   * @param parked Kept from commit to commit.
   * @param moment Takes what is replaced and removed.
   */
  constructor(fs: FileSystem, index: TreeIndex, metadata: Metadata, parked: Parked, moment: Moment) {
    this.#fs = fs;
    this.#index = index;
    this.#metadata = metadata;
    this.#parked = parked;
    this.#moment = moment;
  }

  /** Ids of the directories in or of which something has changed. */
  get touched(): Iterable<number> {
    return this.#touched.keys();
  }

  /** Carries out one step. */
  run(step: IndexedStep): void {
    try {
      this.#run(step);
    } catch (error) {
      const path = this.#pathOf(step);
      if (step.op === "file") discard(this.#fs, step);
      this.problems.push({ path, message: `on the server: ${reasonOf(error)}` });
      this.doubtful.add(parentOf(path));
      if (step.op === "move") this.doubtful.add(parentOf(step.from));
      if (step.op === "link") this.doubtful.add(parentOf(step.to));
    }
  }

  /** Does not carry out a step, for this reason. */
  deny(step: IndexedStep, reason: string): void {
    if (step.op === "file") discard(this.#fs, step);
    this.problems.push({ path: this.#pathOf(step), message: `on the server: ${reason}` });
  }

  /**
   * Gives directories that were touched their metadata, and with `fsync` makes their names durable, and the history.
   * @throws {Error} If it cannot be made durable: then nothing of it may be acknowledged.
   */
  finish(fsync: boolean): void {
    for (const [at, path] of this.#stagedDirs) if (path === undefined) discardDir(this.#fs, at);
    try {
      this.#makeDurable(fsync);
    } catch (error) {
      // They have not been given what the index says that they have.
      for (const id of this.#touched.keys()) this.#index.setSeen(id, undefined);
      throw error;
    }
    for (const { id, node, path, present } of this.#touchedDirs()) {
      try {
        const stat = this.#metadata.apply(path, "dir", node.entry, present);
        if (!stat) throw new ProblemError("somebody else has changed it");
        this.#index.setSeen(id, seenOf(stat));
      } catch (error) {
        // It is not as the index says.
        this.#index.setSeen(id, undefined);
        this.#doubt(path, reasonOf(error));
      }
    }
    this.#lookAtNamesLeft();
  }

  /** What a file was given by a name that has gone since, it may not be to have by the names that are left: they are looked at. */
  #lookAtNamesLeft(): void {
    for (const ino of this.#parted) {
      for (const node of this.#index.withInode(ino)) {
        const path = this.#index.pathOf(node.id), stat = path === undefined ? undefined : this.#fs.lstat(path);
        if (stat?.ino === ino && !isSame(node, stat)) this.#doubt(path!, "it is not as it was left");
      }
    }
  }

  /** Writes the history's log, and puts it and all names on the disk. */
  #makeDurable(fsync: boolean): void {
    const { changed, hasNews } = this.#moment;
    const names = this.#touched.size + changed.size + (hasNews ? 1 : 0);
    // Of what has moved into a directory that is new, or has moved as well, no order of single syncs has one name or the other at
    // every moment.
    const isTangled = this.#hasMade && this.#moves > 0 || this.#hasMovedDir && this.#moves > 1;
    const all = fsync && (names > FEW_DIRS || isTangled) && this.#fs.features.syncAll;
    this.#moment.write(fsync && !all);
    if (all) return this.#fs.syncAll();
    if (!fsync) return;
    // Where something has come to is on the disk before the place that it came from.
    for (const dir of changed) this.#fs.syncDir(dir);
    if (this.#hasParked) this.#fs.syncDir(SLOT_DIR);
    for (const { path } of [...this.#touchedDirs()]) this.#syncTouched(path);
  }

  #syncTouched(path: RelPath): void {
    const sync = () => this.#writing([path], () => this.#fs.syncDir(path));
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
  *#touchedDirs(): Generator<{ id: number; node: Node; path: RelPath; present: Present }> {
    for (const [id, present] of this.#touched) {
      const path = this.#index.pathOf(id), node = this.#index.get(id);
      if (path !== undefined && node?.entry.kind === "dir") yield { id, node, path, present };
    }
  }

  #run(step: IndexedStep): void {
    switch (step.op) {
      case "mkdir":
        return this.#mkdir(step.path, step.entry, step.dirAt);
      case "file": {
        const { path, entry, at, staged, recipe } = step;
        const isThere = this.#stagedDirs.get(parentOf(at)) === parentOf(path);
        const id = isThere
          ? this.#found(path, entry, staged!, recipe)
          : this.#put(path, entry, (path, old) => this.#make(at, path, old, staged), recipe);
        return this.#separate(id, entry);
      }
      case "symlink":
        return this.#symlink(step.path, step.entry);
      case "link":
        return this.#link(step.path, step.to);
      case "meta":
        return this.#meta(step.path, step.attributes);
      case "move":
        return this.#move(this.#require(step.from), step.from, step.to);
      case "park":
        return this.#park(step.path, step.slot, step.stays);
      case "unpark": {
        const was = joinPath(this.#parked.from.get(step.slot) ?? ROOT, step.below);
        this.#move(this.#requireParked(step.slot, step.below), slotPath(step.slot, step.below), step.to, was);
        return this.#leave(was);
      }
      case "remove":
        return this.#remove(this.#require(step.path), step.path);
      case "drop":
        return this.#drop(step.slot);
    }
  }

  #mkdir(path: RelPath, entry: DirEntry, at: RelPath | undefined): void {
    if (at !== undefined) this.#stagedDirs.set(at, undefined);
    // Writable for us until everything is in it; `finish` gives it the attributes that it shall have.
    const id = this.#put(path, entry, () => this.#makeDir(path, entry.mode & 0o777 | 0o700, at));
    // It inherits access lists from a directory that has such on the disk, which may be others than it is to have.
    const inherits = this.#touched.get(this.#index.get(id)!.parent)?.xattrs !== "";
    this.#touched.set(id, { owner: this.#fs.lstat(path)!, xattrs: inherits ? undefined : "" });
  }

  #makeDir(path: RelPath, mode: number, at: RelPath | undefined): Made {
    try {
      if (at === undefined || !this.#placeDir(at, path)) this.#fs.mkdir(path, mode);
    } catch (error) {
      throw error instanceof Deno.errors.AlreadyExists && this.#twinError(path) || error;
    }
    this.#hasMade = true;
    this.#moment.created(path, true);
    return undefined;
  }

  /** Puts a directory that was staged to its place, with all that is in it. @returns Whether it has. */
  #placeDir(at: RelPath, path: RelPath): boolean {
    try {
      this.#fs.renameNew(at, path);
    } catch {
      // Something is there, which is told when it is made there; or another file system is: then its files come by themselves.
      return false;
    }
    this.#stagedDirs.set(at, path);
    return true;
  }

  /** A file has come to its place with its directory, which nobody else has seen before. @returns Its id. */
  #found(path: RelPath, entry: FileEntry, stat: Stat, recipe: Recipe | undefined): number {
    const parent = this.#parent(path);
    if (this.#index.child(parent, nameOf(path))) throw new ProblemError("something is in its place");
    this.#moment.created(path);
    this.changes.push({ change: "create", kind: "file", path, size: entry.size });
    return this.#index.put(parent, nameOf(path), entry, seenOf(stat), recipe);
  }

  #symlink(path: RelPath, entry: SymlinkEntry): void {
    const id = this.#put(path, entry, (_, old) => {
      // A symbolic link cannot be made over something, but renamed over it.
      const at = freeSlot(this.#fs);
      this.#fs.symlink(at, entry.target);
      this.#metadata.apply(at, "symlink", entry, { owner: this.#fs.lstat(at)!, xattrs: "" });
      return this.#make(at, path, old);
    });
    this.#separate(id, entry);
  }

  /** What was made anew is not the file any more that it was with its other names; they are told to the mirror again. */
  #separate(id: number, { link }: Entry): void {
    this.#index.separate(link, id);
  }

  /** Makes `path` another name of what is at `to`; where the file system has no such thing, a copy. */
  #link(path: RelPath, to: RelPath): void {
    const twin = this.#require(to);
    if (twin.entry.kind === "dir") throw new ProblemError("a directory has only one name");
    const { entry } = twin;
    this.#put(path, entry, (_, old) => {
      const there = old ? this.#fs.lstat(path) : undefined, wanted = this.#fs.lstat(to);
      if (!wanted || !isSame(twin, wanted)) throw new ProblemError("its other name is not as it was");
      if (there?.ino === wanted.ino && wanted.ino !== 0n) return wanted;
      const at = freeSlot(this.#fs);
      try {
        this.#fs.link(to, at);
      } catch (error) {
        if (PASSING.has((error as { code?: unknown }).code)) throw error;
        this.#copy(to, entry, at);
      }
      return this.#make(at, path, old);
    }, this.#index.recipe(twin.id));
  }

  /** Makes a file or symbolic link at `at` that is like the one at `from`. */
  #copy(from: RelPath, entry: FileEntry | SymlinkEntry, at: RelPath): void {
    if (entry.kind === "symlink") {
      this.#fs.symlink(at, entry.target);
      return void this.#metadata.apply(at, "symlink", entry, { owner: this.#fs.lstat(at)!, xattrs: "" });
    }
    using file = this.#fs.createFile(at, entry.mode & 0o777 | 0o600);
    using source = this.#fs.openFile(from);
    const bytes = new Uint8Array(COPY_BYTES);
    for (let done = 0, count; (count = source.readAt(done, bytes)) > 0; done += count) {
      file.write(bytes.subarray(0, count));
    }
    this.#metadata.applyTo(file, at, entry, { owner: this.#fs.lstat(at)!, xattrs: "" });
    file.sync();
  }

  #meta(path: RelPath, attributes: Attributes): void {
    const node = this.#require(path);
    const { entry } = node;
    if (entry.kind === "dir") {
      this.#touch(node.id);
      return this.#index.setAttributes(node, attributes);
    }
    const isOurs = this.#isOurs(node, path);
    this.#moment.changing(path, node, entry.link !== 0 || attributes.link !== 0);
    if (attributes.link !== entry.link && this.#hasOtherNames(node)) {
      // It is to be a file of its own, or one with other names.
      const at = freeSlot(this.#fs);
      this.#writing([parentOf(path)], () => {
        this.#copy(path, entry, at);
        this.#moment.replace(at, path);
        this.#moment.created(path);
      });
      this.#touch(node.parent);
      this.#index.setSeen(node.id, undefined);
    }
    const now = this.#index.get(node.id)!, owner = this.#ownerOf(now, path);
    const stat = this.#metadata.apply(path, entry.kind, attributes, {
      owner,
      mode: isOurs ? now.seen?.mode : undefined,
      xattrs: entry.xattrs,
    });
    const seen = stat && (now.seen === undefined || now.seen.ino === stat.ino) ? seenOf(stat) : undefined;
    if (isOurs && seen) {
      this.#index.setMeta(now, attributes, seen);
      if (stat!.nlink > 1) this.#seeOthers(node.id, stat!);
    } else {
      this.#index.setAttributes(node, attributes);
      this.#disown(node.id, path);
    }
    this.changes.push({ change: "metadata", kind: entry.kind, path });
  }

  /** @param was Where it was for people, if that is not `from`. */
  #move(node: Node, from: RelPath, to: RelPath, was = from): void {
    const parent = this.#parent(to);
    const old = this.#index.child(parent, nameOf(to));
    if (old && (old.entry.kind === "dir" || node.entry.kind === "dir")) {
      throw new ProblemError("something is in its place");
    }
    this.#touch(node.parent);
    if (node.entry.kind === "dir") this.#touch(node.id);
    const isOurs = this.#isOurs(node, from);
    this.#writing([parentOf(from), parentOf(to), from], () => {
      if (!old) this.#place(from, to);
      // Of one file with two names, one goes.
      else if (isOneFile(this.#fs.lstat(from), this.#fs.lstat(to))) {
        this.#moment.remove(from);
        return this.#index.remove(old.id);
      } else this.#hide(from, (at) => this.#place(at, to, old));
      this.#moment.moved(from, to);
    });
    if (old) this.#part(old);
    this.#moves++;
    this.#hasMovedDir ||= node.entry.kind === "dir";
    this.#index.move(node, parent, nameOf(to));
    if (to !== was) this.changes.push({ change: "move", kind: node.entry.kind, path: to, from: was });
    if (node.entry.kind === "dir") return;
    const stat = this.#moved(node, to);
    if (isOurs && stat) this.#see(node.id, stat);
    else this.#disown(node.id, to);
  }

  #park(path: RelPath, slot: number, stays: boolean): void {
    const node = this.#require(path);
    if (this.#index.parked(slot)) throw new ProblemError("its slot is taken");
    this.#touch(node.parent);
    const isOurs = this.#isOurs(node, path);
    this.#writing([parentOf(path), path], () => {
      if (!stays || node.entry.kind !== "file" || !tryLink(this.#fs, path, slotPath(slot))) {
        this.#fs.rename(path, slotPath(slot));
      }
    });
    this.#hasParked = true;
    this.#moment.moved(path, slotPath(slot));
    this.#index.park(node, slot);
    this.#parked.from.set(slot, path);
    const visible = stays && node.entry.kind === "file" ? this.#fs.lstat(path) : undefined;
    if (visible) this.#parked.stays.set(path, visible.ino);
    if (node.entry.kind === "dir") return;
    // What is not as we left it is looked at when it has a place again.
    const stat = this.#moved(node, slotPath(slot));
    if (isOurs && stat) this.#see(node.id, stat);
    else this.#index.setSeen(node.id, undefined);
  }

  #drop(slot: number): void {
    const node = this.#requireParked(slot, ROOT);
    const was = this.#parked.from.get(slot) ?? ROOT;
    this.#remove(node, slotPath(slot), was);
    // What was replaced at its place has been told as that.
    if (node.entry.kind !== "dir" && this.#index.find(was)) this.changes.pop();
    this.#parked.from.delete(slot);
    this.#leave(was);
  }

  /** What was parked and stayed to be seen, is not to be seen any more where nothing has replaced it. */
  #leave(path: RelPath): void {
    const ino = this.#parked.stays.get(path);
    if (ino === undefined) return;
    this.#parked.stays.delete(path);
    const there = this.#fs.lstat(path);
    if (this.#index.find(path) || there?.ino !== ino) return;
    this.#writing([parentOf(path)], () =>
      this.#hide(path, (at) => {
        // Unless somebody has put something else there just now.
        if (this.#fs.lstat(at)?.ino === ino) this.#fs.unlink(at);
        else this.#moment.remove(path, { at });
      }));
    nameWent(this.#fs, this.#index, there);
    const parent = this.#index.dirAt(parentOf(path));
    if (parent !== undefined) this.#touch(parent);
  }

  #remove(node: Node, path: RelPath, was = path): void {
    this.#touch(node.parent);
    this.#part(node);
    this.#writing([parentOf(path)], () => this.#moment.remove(path, { was, node }));
    this.changes.push({ change: "delete", kind: node.entry.kind, path: was });
  }

  /**
   * Makes something at `path` by `make`, in place of a file or symbolic link that may be there.
   * @returns Its id.
   * @throws {ProblemError} If something else is there afterwards: somebody else works in the mirror.
   */
  #put(path: RelPath, entry: Entry, make: (path: RelPath, old?: Node) => Made, recipe?: Recipe): number {
    const parent = this.#parent(path);
    const old = this.#index.child(parent, nameOf(path));
    if (old && (old.entry.kind === "dir" || entry.kind === "dir")) throw new ProblemError("something is in its place");
    if (old) this.#part(old);
    const made = this.#writing([parentOf(path)], () => make(path, old));
    // A directory is what it is to be only after `finish`.
    const stat = entry.kind === "dir" ? undefined : this.#fs.lstat(path);
    // Its number alone may have gone to another file by now.
    const isOther = made !== undefined && (made.ino !== stat?.ino || made.mtimeNs !== stat.mtimeNs);
    const id = this.#index.put(parent, nameOf(path), entry, isOther ? undefined : seenOf(stat), recipe);
    if (isOther) throw new ProblemError("something else has come to its place");
    if (stat && stat.nlink > 1) this.#seeOthers(id, stat);
    const size = entry.kind === "file" ? { size: entry.size } : {};
    this.changes.push({ change: old ? "update" : "create", kind: entry.kind, path, ...size });
    return id;
  }

  /** Takes something out of sight for `what`; where that fails, it comes back. */
  #hide(path: RelPath, what: (at: RelPath) => void): void {
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
  #make(at: RelPath, path: RelPath, old?: Node, made: Made = this.#fs.lstat(at)): Made {
    this.#place(at, path, old);
    this.#moment.created(path);
    return made;
  }

  /** Renames something to `to`; with `old`, which the index knows there, from where nobody sees it. */
  #place(from: RelPath, to: RelPath, old?: Node): void {
    if (old) return this.#moment.replace(from, to, old);
    try {
      this.#fs.renameNew(from, to);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      const stays = this.#parked.stays.get(to);
      this.#parked.stays.delete(to);
      const there = this.#fs.lstat(to), ino = this.#fs.lstat(from)?.ino;
      if (stays !== undefined && there?.ino === stays) return this.#moment.replace(from, to);
      // A new spelling of its own name, for a file system that takes both for the same.
      if (foldName(nameOf(from)) === foldName(nameOf(to)) && parentOf(from) === parentOf(to) && there?.ino === ino) {
        return this.#fs.rename(from, to);
      }
      const twin = this.#twinError(to);
      if (twin || there?.kind === "dir") throw twin ?? error;
      // Somebody else's.
      this.#moment.foreign.add(to);
      this.#moment.remove(to);
      this.#fs.renameNew(from, to);
    }
  }

  /** What to say where the file system takes another name for this one. */
  #twinError(path: RelPath): ProblemError | undefined {
    const name = nameOf(path);
    const names = this.#fs.list(parentOf(path)).map((listed) => listed.name);
    const twin = names.includes(name) ? undefined : names.find((other) => foldName(other) === foldName(name));
    if (twin === undefined) return undefined;
    return new ProblemError(`the mirror's file system takes it for the same name as ${JSON.stringify(twin)}`);
  }

  /** The last look: whether a file or symbolic link is still what the index says of it. What directories have, `#touch` looks at. */
  #isOurs(node: Node, at: RelPath): boolean {
    if (node.entry.kind === "dir") return true;
    const stat = this.#fs.lstat(at);
    return stat !== undefined && isSame(node, stat);
  }

  /** What lstat says of a file or symbolic link that has only moved; undefined if something else is there. */
  #moved({ seen }: Node, to: RelPath): Stat | undefined {
    const stat = this.#fs.lstat(to);
    return stat?.ino === seen?.ino && stat?.mtimeNs === seen?.mtimeNs ? stat : undefined;
  }

  /**
   * What somebody else has changed must not be taken for ours because we have moved it or set its time: it is read anew, and the client
   * is told that it has to compare.
   */
  #disown(id: number, path: RelPath): void {
    this.#index.setSeen(id, undefined);
    this.#doubt(path, "somebody else has changed it");
  }

  /** Has a path read anew, and the client compare. */
  #doubt(path: RelPath, why: string): void {
    this.doubtful.add(parentOf(path));
    this.problems.push({ path, message: `on the server: ${why}; it is looked at anew` });
  }

  #part({ entry, seen }: Node): void {
    if (entry.link !== 0 && seen) this.#parted.add(seen.ino);
  }

  /** Notes what lstat says of an entry, for all its names. */
  #see(id: number, stat: Stat): void {
    this.#index.setSeen(id, seenOf(stat));
    if (stat.nlink > 1) this.#seeOthers(id, stat);
  }

  /**
   * Notes for the other names of a file what has come of it with a change of one of them. Only what our own changes make of it:
   * what somebody else has written there is to be found, and where the index says that the other is to have other attributes
   * than the file has now, it does not vouch for it.
   */
  #seeOthers(id: number, stat: Stat): void {
    const mine = this.#index.get(id)?.entry;
    for (const { id: other, entry, seen } of this.#index.withInode(stat.ino)) {
      if (other === id || !seen || entry.kind !== stat.kind || entry.kind === "file" && entry.size !== stat.size) {
        continue;
      }
      if (mine && sameAttributes(mine, entry)) this.#index.setSeen(other, seenOf(stat));
    }
  }

  /** Whether there is another name of it in the mirror or a slot. */
  #hasOtherNames({ id, seen }: Node): boolean {
    const others = seen ? this.#index.withInode(seen.ino).filter((node) => node.id !== id) : [];
    return others.some((other) => pathOrSlot(this.#index, other.id) !== undefined);
  }

  #ownerOf(node: Node, path: RelPath): Present["owner"] {
    const owner = node.seen ?? this.#fs.lstat(path);
    if (!owner) throw new ProblemError("it is not there any more");
    return owner;
  }

  /**
   * Notes that a directory's times have to be set again, before something changes in it: until then it is to be seen whether somebody
   * else has given it other owners or attributes.
   */
  #touch(id: number): void {
    if (id <= 0 || this.#touched.has(id)) return;
    const node = this.#index.get(id), path = pathOrSlot(this.#index, id);
    if (!node || path === undefined) return;
    // Everything that comes or goes in it changes its time.
    this.#moment.changing(path, node);
    const stat = this.#fs.lstat(path), owner = stat ?? node.seen;
    if (!owner) throw new ProblemError("it is not there any more");
    this.#touched.set(id, { owner, xattrs: stat && isSame(node, stat) ? node.entry.xattrs : undefined });
  }

  /** The directory that is to hold `path`, touched. The index knows it as a directory, so no symbolic link leads elsewhere. */
  #parent(path: RelPath): number {
    const parent = this.#index.dirAt(parentOf(path));
    if (path === "" || parent === undefined) throw new ProblemError(this.#whyNotBelow(parentOf(path)));
    this.#touch(parent);
    return parent;
  }

  /** Why nothing can be put into `dir`: where the file system cannot hold a directory on the way to it, its reason. */
  #whyNotBelow(dir: RelPath): string {
    let missing = dir;
    while (missing !== ROOT && this.#index.dirAt(parentOf(missing)) === undefined) missing = parentOf(missing);
    try {
      const twin = this.#fs.lstat(missing) && this.#twinError(missing);
      if (twin) return twin.message;
    } catch (error) {
      if (error instanceof ProblemError) return error.message;
    }
    return "there is no directory for it";
  }

  #require(path: RelPath): Node {
    const node = this.#index.find(path);
    if (!node) throw new ProblemError("it is not in the mirror");
    return node;
  }

  #requireParked(slot: number, below: RelPath): Node {
    const node = this.#index.inSlot(slot, below);
    if (!node) throw new ProblemError("nothing waits in its slot");
    return node;
  }

  /** Does something in directories that may have to be made writable for it; what a directory is in is written in it as well. */
  #writing<T>(dirs: readonly RelPath[], what: () => T): T {
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

  /** What a step is about, for people: of what is in a slot, where it was. */
  #pathOf(step: CommitStep): RelPath {
    if (step.op === "drop") return this.#parked.from.get(step.slot) ?? ROOT;
    return step.op === "move" || step.op === "unpark" ? step.to : step.path;
  }
}

/** A name as file systems see it that tell neither upper from lower case nor composed letters from others. */
function foldName(name: string): string {
  return name.normalize("NFC").toLowerCase();
}

/** Removes a staged file that nobody will come for; if that fails, the next start does it. */
function discard(fs: FileSystem, { at, ino }: CommitStep & { op: "file" }): void {
  try {
    // What the file has replaced may lie there, and must not go.
    if (fs.lstat(at)?.ino === ino) fs.unlink(at);
  } catch {
    // It may have been renamed already.
  }
}

/** The same for a staged directory: what was in it has been put to its place by itself, or is of no use either. */
function discardDir(fs: FileSystem, at: RelPath): void {
  try {
    removeTree(fs, at);
  } catch {
    // What is left of it is out of sight.
  }
}

/** Whether two names are of one file. */
function isOneFile(a: Stat | undefined, b: Stat | undefined): boolean {
  return a !== undefined && a.ino !== 0n && a.ino === b?.ino;
}

/** Gives a file a second name, where the file system has such. */
function tryLink(fs: FileSystem, from: RelPath, to: RelPath): boolean {
  try {
    fs.link(from, to);
    return true;
  } catch {
    return false;
  }
}
