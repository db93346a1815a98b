// The commit: carries steps out on the mirror, each on the disk and in the index. A step that fails is a problem of its path;
// the others go on. Directories get their times and modes back at the end, after everything in them has changed.

import { ProblemError, reasonOf } from "../core/errors.ts";
import type { FileSystem, Stat } from "../core/fs.ts";
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
import { freeSlot, pathOrSlot, slotPath } from "./places.ts";
import { type Made, Placing } from "./placing.ts";
import { isSame, nameWent, seenOf } from "./seen.ts";
import type { StagedDir } from "./staged_dirs.ts";
import { Touched } from "./touched.ts";

/** A step with what is known of it beside: what a crash makes nobody miss. */
export type IndexedStep = CommitStep & {
  /** Of a file, for the index. */
  readonly recipe?: Recipe;
  /** What lstat says of a file where it was staged. */
  readonly staged?: Stat;
  /** A directory that is to be made, as it was staged, with files in it. */
  readonly stagedDir?: StagedDir;
};

/** What the journal is to say of a step. */
export function journaled({ recipe: _, staged: __, stagedDir: ___, ...step }: IndexedStep): CommitStep {
  return step;
}

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
  readonly #placing: Placing;
  readonly #touched: Touched;
  /** Files of which a name has gone, by inode number. */
  readonly #parted = new Set<bigint>();
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
    this.#placing = new Placing(fs, metadata, moment, parked.stays);
    this.#touched = new Touched(fs, index, moment, this.#placing);
  }

  /** Ids of the directories in or of which something has changed. */
  get touched(): Iterable<number> {
    return this.#touched.ids;
  }

  /** Carries out one step. */
  run(step: IndexedStep): void {
    try {
      this.#run(step);
    } catch (error) {
      const path = this.#pathOf(step);
      if (step.op === "file") this.#placing.discard(step);
      this.problems.push({ path, message: `on the server: ${reasonOf(error)}` });
      this.doubtful.add(parentOf(path));
      if (step.op === "move") this.doubtful.add(parentOf(step.from));
      if (step.op === "link") this.doubtful.add(parentOf(step.to));
    }
  }

  /** Does not carry out a step, for this reason. */
  deny(step: IndexedStep, reason: string): void {
    if (step.op === "file") this.#placing.discard(step);
    this.problems.push({ path: this.#pathOf(step), message: `on the server: ${reason}` });
  }

  /**
   * Gives directories that were touched their metadata, and with `fsync` makes their names durable, and the history.
   * @throws {Error} If it cannot be made durable: then nothing of it may be acknowledged.
   */
  finish(fsync: boolean): void {
    for (const [at, path] of this.#stagedDirs) if (path === undefined) this.#placing.discardDir(at);
    try {
      this.#touched.makeDurable(fsync);
    } catch (error) {
      // They have not been given what the index says that they have.
      for (const id of this.#touched.ids) this.#index.setSeen(id, undefined);
      throw error;
    }
    for (const { id, node, path, present } of this.#touched.dirs()) {
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

  #run(step: IndexedStep): void {
    switch (step.op) {
      case "mkdir":
        return this.#mkdir(step.path, step.entry, step.stagedDir);
      case "file": {
        const { path, entry, at, staged, recipe } = step;
        const isThere = this.#stagedDirs.get(parentOf(at)) === parentOf(path);
        const id = isThere
          ? this.#found(path, entry, staged!, recipe)
          : this.#put(path, entry, (path, old) => this.#placing.make(at, path, old, staged), recipe);
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

  #mkdir(path: RelPath, entry: DirEntry, staged: StagedDir | undefined): void {
    if (staged) this.#stagedDirs.set(staged.at, undefined);
    const at = staged?.isSpoiled ? undefined : staged?.at;
    // Writable for us until everything is in it; `finish` gives it the attributes that it shall have.
    const id = this.#put(path, entry, () => this.#makeDir(path, entry.mode & 0o777 | 0o700, at));
    // It inherits access lists from a directory that has such on the disk, which may be others than it is to have.
    const inherits = this.#touched.presentOf(this.#index.get(id)!.parent)?.xattrs !== "";
    this.#touched.made(id, { owner: this.#fs.lstat(path)!, xattrs: inherits ? undefined : "" });
  }

  #makeDir(path: RelPath, mode: number, at: RelPath | undefined): Made {
    try {
      if (at === undefined || !this.#placing.stagedDir(at, path)) this.#fs.mkdir(path, mode);
      else this.#stagedDirs.set(at, path);
    } catch (error) {
      throw error instanceof Deno.errors.AlreadyExists && this.#placing.twinError(path) || error;
    }
    this.#moment.created(path, true);
    return undefined;
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
      this.#placing.symlink(at, entry);
      return this.#placing.make(at, path, old);
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
      this.#placing.link(to, at, entry);
      return this.#placing.make(at, path, old);
    }, this.#index.recipe(twin.id));
  }

  #meta(path: RelPath, attributes: Attributes): void {
    const node = this.#require(path);
    const { entry } = node;
    if (entry.kind === "dir") {
      this.#touched.touch(node.id);
      return this.#index.setAttributes(node, attributes);
    }
    const isOurs = this.#isOurs(node, path);
    this.#moment.changing(path, node, entry.link !== 0 || attributes.link !== 0);
    if (attributes.link !== entry.link && this.#hasOtherNames(node)) {
      // It is to be a file of its own, or one with other names.
      const at = freeSlot(this.#fs);
      this.#placing.writing([parentOf(path)], () => {
        this.#placing.copy(path, entry, at);
        this.#moment.replace(at, path);
        this.#moment.created(path);
      });
      this.#touched.touch(node.parent);
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
    this.#touched.touch(node.parent);
    if (node.entry.kind === "dir") this.#touched.touch(node.id);
    const isOurs = this.#isOurs(node, from);
    this.#placing.writing([parentOf(from), parentOf(to), from], () => {
      if (!old) this.#placing.place(from, to);
      // Of one file with two names, one goes.
      else if (this.#placing.isOneFile(from, to)) {
        this.#moment.remove(from);
        return this.#index.remove(old.id);
      } else this.#placing.hide(from, (at) => this.#placing.place(at, to, old));
      this.#moment.moved(from, to);
    });
    if (old) this.#part(old);
    this.#touched.moved(node.entry.kind);
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
    this.#touched.touch(node.parent);
    const isOurs = this.#isOurs(node, path);
    this.#placing.writing([parentOf(path), path], () => {
      if (!stays || node.entry.kind !== "file" || !this.#placing.tryLink(path, slotPath(slot))) {
        this.#fs.rename(path, slotPath(slot));
      }
    });
    this.#touched.parked();
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
    this.#placing.writing([parentOf(path)], () =>
      this.#placing.hide(path, (at) => {
        // Unless somebody has put something else there just now.
        if (this.#fs.lstat(at)?.ino === ino) this.#fs.unlink(at);
        else this.#moment.remove(path, { at });
      }));
    nameWent(this.#fs, this.#index, there);
    const parent = this.#index.dirAt(parentOf(path));
    if (parent !== undefined) this.#touched.touch(parent);
  }

  #remove(node: Node, path: RelPath, was = path): void {
    this.#touched.touch(node.parent);
    this.#part(node);
    this.#placing.writing([parentOf(path)], () => this.#moment.remove(path, { was, node }));
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
    const made = this.#placing.writing([parentOf(path)], () => make(path, old));
    // A directory is what it is to be only after `finish`.
    const stat = entry.kind === "dir" ? undefined : this.#fs.lstat(path);
    // Its number alone may have gone to another file by now.
    const isOther = made !== undefined && (made.ino !== stat?.ino || made.mtimeNs !== stat.mtimeNs);
    const id = this.#index.put(parent, nameOf(path), entry, isOther ? undefined : seenOf(stat), recipe, old?.id);
    if (isOther) throw new ProblemError("something else has come to its place");
    if (stat && stat.nlink > 1) this.#seeOthers(id, stat);
    const size = entry.kind === "file" ? { size: entry.size } : {};
    this.changes.push({ change: old ? "update" : "create", kind: entry.kind, path, ...size });
    return id;
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

  /** The directory that is to hold `path`, touched. The index knows it as a directory, so no symbolic link leads elsewhere. */
  #parent(path: RelPath): number {
    const parent = this.#index.dirAt(parentOf(path));
    if (path === "" || parent === undefined) throw new ProblemError(this.#whyNotBelow(parentOf(path)));
    this.#touched.touch(parent);
    return parent;
  }

  /** Why nothing can be put into `dir`: where the file system cannot hold a directory on the way to it, its reason. */
  #whyNotBelow(dir: RelPath): string {
    let missing = dir;
    while (missing !== ROOT && this.#index.dirAt(parentOf(missing)) === undefined) missing = parentOf(missing);
    try {
      const twin = this.#fs.lstat(missing) && this.#placing.twinError(missing);
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

  /** What a step is about, for people: of what is in a slot, where it was. */
  #pathOf(step: CommitStep): RelPath {
    if (step.op === "drop") return this.#parked.from.get(step.slot) ?? ROOT;
    return step.op === "move" || step.op === "unpark" ? step.to : step.path;
  }
}
