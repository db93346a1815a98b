// After a crash in the middle of a commit: carries out on the disk what its journal says and what has not been done yet. Only
// the disk is asked what has been done; nothing is renamed or removed but the very inode that the journal names, and what is
// replaced or removed goes to the history, as in the commit itself.

import { ProblemError } from "../core/errors.ts";
import { type FileSystem, removeTree } from "../core/fs.ts";
import { joinPath, parentOf, type RelPath } from "../core/path.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { CommitStep, Journal } from "./journal.ts";
import { setAside } from "./leftovers.ts";
import type { Moment } from "./moment.ts";
import { FIRST_FREE_SLOT, freeSlot, HISTORY_DIR, SLOT_DIR, slotPath, STAGE_DIR } from "./places.ts";

/** Carries out the steps of an interrupted commit, each of which may have been carried out already. */
export function redo(fs: FileSystem, { stamp, steps }: Journal, moment: Moment): void {
  const redoing = new Redo(fs, moment, stamp);
  for (const step of steps) {
    try {
      redoing.run(step);
    } catch {
      // It cannot be done now: the scan that follows tells what is there, and the client sends what is missing.
    }
  }
}

class Redo {
  readonly #fs: FileSystem;
  readonly #moment: Moment;
  /** Where the commit has put what it had replaced or removed before the crash. */
  readonly #before: RelPath;

  constructor(fs: FileSystem, moment: Moment, stamp: string) {
    this.#fs = fs;
    this.#moment = moment;
    this.#before = joinPath(HISTORY_DIR, stamp);
  }

  run(step: CommitStep): void {
    const fs = this.#fs, moment = this.#moment;
    switch (step.op) {
      case "mkdir":
        if (!fs.lstat(step.path)) fs.mkdir(step.path, step.entry.mode & 0o777 | 0o700);
        return moment.created(step.path, true);
      case "file":
        return this.#file(step);
      case "symlink":
        if (fs.lstat(step.path)) return this.#was(step.path);
        return this.#make(step.path, (at) => fs.symlink(at, step.entry.target));
      case "link": {
        const other = fs.lstat(step.to);
        if (!other || other.kind === "dir") return;
        if (fs.lstat(step.path)?.ino === other.ino) return this.#was(step.path);
        return this.#make(step.path, (at) => fs.link(step.to, at));
      }
      case "meta": {
        const kind = fs.lstat(step.path)?.kind;
        const { mode, mtimeNs } = step.attributes;
        // Who owns it is not looked at here, so it may not run as its owner either; the client sees to the rest.
        if (kind) fs.setMeta(step.path, kind === "symlink" ? { mtimeNs } : { mode: mode & 0o1777, mtimeNs });
        return;
      }
      case "move":
        return this.#move(step.from, step.to, step);
      case "park":
        return this.#park(step);
      case "unpark":
        return this.#move(slotPath(step.slot, step.below), step.to, step);
      case "remove":
        if (this.#is(step.path, step)) return moment.remove(step.path);
        return this.#gone(step.path);
      case "drop":
        return moment.remove(slotPath(step.slot), { was: step.had });
    }
  }

  #file({ at, ino, path }: CommitStep & { op: "file" }): void {
    const staged = this.#fs.lstat(at);
    // What else lies there has been replaced by it.
    if (staged && staged.ino === ino) this.#place(at, path);
    else if (staged) this.#moment.remove(path, { at });
    else this.#gone(path);
    this.#moment.created(path);
  }

  /** Makes something out of sight and puts it to `path`. */
  #make(path: RelPath, make: (at: RelPath) => void): void {
    const at = freeSlot(this.#fs);
    make(at);
    this.#place(at, path);
    this.#moment.created(path);
  }

  #move(from: RelPath, to: RelPath, step: CommitStep): void {
    const fs = this.#fs, moment = this.#moment;
    const hidden = slotPath(FIRST_FREE_SLOT);
    if (this.#is(hidden, step)) this.#place(hidden, to);
    else if (step.op === "unpark" ? fs.lstat(from) : this.#is(from, step)) {
      const there = fs.lstat(to), moved = fs.lstat(from)!;
      // Of one file with two names, one goes.
      if (there && there.ino === moved.ino) return moment.remove(from);
      if (!there) fs.renameNew(from, to);
      else {
        const at = freeSlot(fs);
        fs.rename(from, at);
        this.#place(at, to);
      }
    } else if (this.#is(to, step)) this.#gone(to);
    else return;
    moment.moved(from, to);
  }

  #park(step: CommitStep & { op: "park" }): void {
    const fs = this.#fs, slot = slotPath(step.slot);
    if (this.#is(step.path, step) && !fs.lstat(slot)) {
      try {
        if (!step.stays) throw new Error("it goes");
        fs.link(step.path, slot);
      } catch {
        fs.rename(step.path, slot);
      }
    } else if (!this.#is(slot, step)) return;
    this.#moment.moved(step.path, slot);
  }

  #place(at: RelPath, path: RelPath): void {
    if (this.#fs.lstat(path)?.kind === "dir") throw new ProblemError("something is in its place");
    this.#moment.replace(at, path);
  }

  /** Notes what a step that was carried out before the crash has replaced. */
  #gone(path: RelPath): void {
    const place = joinPath(this.#before, path);
    if (this.#fs.lstat(place)) this.#moment.hadGone(path, place.slice(HISTORY_DIR.length + 1) as RelPath);
  }

  #was(path: RelPath): void {
    this.#gone(path);
    this.#moment.created(path);
  }

  /** Whether the very entry that a step speaks of is at a place. */
  #is(path: RelPath, { was }: CommitStep): boolean {
    const stat = was && was.ino !== 0n ? this.#fs.lstat(path) : undefined;
    return stat !== undefined && stat.ino === was!.ino && (was!.mtimeNs ?? stat.mtimeNs) === stat.mtimeNs;
  }
}

/** Makes what the steps of a commit have done last. */
export function syncPlaces(fs: FileSystem, { steps }: Journal): void {
  if (fs.features.syncAll) return fs.syncAll();
  const places = steps.flatMap((step) => [
    ..."path" in step ? [step.path] : [],
    ..."from" in step ? [step.from] : [],
    ..."to" in step ? [step.to] : [],
  ]);
  for (const dir of new Set(places.map(parentOf))) if (fs.lstat(dir)?.kind === "dir") fs.syncDir(dir);
}

/** Removes what was staged and not committed, but for what need not be sent again. What a file of the interrupted commit has replaced goes to the history. */
export function clearStage(fs: FileSystem, journal: Journal | undefined, moment: Moment): void {
  for (const step of journal?.steps ?? []) {
    const staged = step.op === "file" ? fs.lstat(step.at) : undefined;
    if (staged && step.op === "file" && staged.ino !== step.ino) moment.remove(step.path, { at: step.at });
  }
  setAside(fs);
  removeTree(fs, STAGE_DIR);
}

/**
 * Empties the slots that a client left behind when it went away: what the index knows by its inode at a place that is free goes
 * back there; the rest, replaced or removed at its place, goes to the history.
 */
export function emptySlots(fs: FileSystem, index: TreeIndex, moment: Moment): void {
  if (fs.lstat(SLOT_DIR)?.kind !== "dir") return;
  for (const { name, stat } of fs.list(SLOT_DIR)) {
    const slot = joinPath(SLOT_DIR, name);
    const home = index.withInode(stat.ino).map(({ id }) => index.pathOf(id)).find((path) =>
      path !== undefined && !fs.lstat(path)
    );
    if (home !== undefined && tryRename(fs, slot, home)) moment.moved(slot, home);
    else moment.remove(slot, { node: /^\d+$/.test(name) ? index.parked(Number(name)) : undefined });
  }
  for (const node of index.parkedAll()) index.remove(node.id);
}

function tryRename(fs: FileSystem, from: RelPath, to: RelPath): boolean {
  try {
    fs.rename(from, to);
    return true;
  } catch {
    // The directory above is gone too.
    return false;
  }
}
