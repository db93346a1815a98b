// Watches a whole tree by inotify, which watches single directories: keeps a watch for each, knows by them where every directory
// is, and makes paths of events. Events tell of the past: by the time that one is read, the directory that it names may be
// elsewhere and another in its place. So an event is only a reason to look what is at a name now; that a directory found
// there is one that was known elsewhere, its watch tells, which stays the same wherever it moves. What is looked at too early
// has an event still to come.

import { isOfPath } from "../core/errors.ts";
import { isPrivateName, joinPath, nameOf, namesOf, parentOf, type RelPath, ROOT } from "../core/path.ts";
import { IN, type Inotify, type InotifyEvent, isOutOfWatches } from "./inotify.ts";

/** What happens to the root when it is not at its place any more. */
const ROOT_LOST = IN.IGNORED | IN.UNMOUNT | IN.DELETE_SELF | IN.MOVE_SELF;

/** More directories than this that cannot be watched are not told apart. */
const MOST_UNWATCHED = 10_000;

/** What a tree is watched with. */
export type Watches = Pick<Inotify, "watch" | "unwatch" | "subdirectories">;

/** A directory that is watched. */
interface Watched {
  readonly watch: number;
  /** The directory that it is in; undefined for the root, and for what is not known to be in the tree. */
  parent: Watched | undefined;
  name: string;
  readonly children: Map<string, Watched>;
}

/** The directories of one tree, as inotify knows them. */
export class TreeWatch {
  readonly #inotify: Watches;
  readonly #root: Watched;
  readonly #byWatch = new Map<number, Watched>();
  #isRootLost = false;
  /** What was in the tree, and now may be elsewhere in it or not. */
  #lone = new Set<Watched>();
  /** The topmost directories for which there was no watch any more. */
  readonly #unwatched = new Set<RelPath>();

  /** Watches everything, as far as the system allows. @throws {Error} If the root cannot be watched. */
  constructor(inotify: Watches) {
    this.#inotify = inotify;
    this.#root = { watch: inotify.watch(ROOT), parent: undefined, name: "", children: new Map() };
    this.#byWatch.set(this.#root.watch, this.#root);
    this.#walk(this.#root, ROOT);
  }

  /** Whether the root was unmounted, removed or moved: another may be at its place, which is to be watched anew. */
  get isRootLost(): boolean {
    return this.#isRootLost;
  }

  /** Whether the system allows no more watches, and something is not watched therefore. */
  get isPartial(): boolean {
    return this.#unwatched.size > 0;
  }

  /**
   * Tries again to watch what could not be watched.
   * @returns What may have changed in the meantime; undefined where anything may have.
   */
  retry(): Set<RelPath> | undefined {
    const before = new Set(this.#unwatched);
    this.#unwatched.clear();
    if (before.size >= MOST_UNWATCHED) {
      this.#walk(this.#root, ROOT);
      return undefined;
    }
    for (const path of before) {
      // Where it is not known, it has moved with what it is in, and is noted there.
      const dir = this.#known(parentOf(path)), found = dir && this.#find(path);
      if (!found) continue;
      this.#attach(found, dir, nameOf(path));
      this.#walk(found, path);
    }
    return before;
  }

  /**
   * Takes a batch of events.
   * @returns Paths that may have changed; undefined where anything may have.
   */
  take(events: readonly InotifyEvent[]): Set<RelPath> | undefined {
    const hints = new Set<RelPath>();
    const before = [...this.#lone];
    const doubtful: { dir: Watched; name: string }[] = [];
    let lost = false;
    for (const { watch, mask, name } of events) {
      if ((mask & IN.Q_OVERFLOW) !== 0) lost = true;
      const dir = this.#byWatch.get(watch);
      if (!dir) continue;
      if (dir === this.#root && (mask & ROOT_LOST) !== 0) this.#isRootLost = true;
      if ((mask & IN.IGNORED) !== 0) {
        this.#byWatch.delete(watch);
        this.#detach(dir);
        this.#lone.delete(dir);
        continue;
      }
      // Of itself a directory tells what the one above tells too, which the root does not have.
      if (name === "" ? dir !== this.#root : dir === this.#root && isPrivateName(name)) continue;
      const path = this.#pathOf(dir);
      if (path !== undefined) hints.add(name === "" ? path : joinPath(path, name));
      if (name !== "" && (mask & IN.ISDIR) !== 0) doubtful.push({ dir, name });
    }
    if (this.#isRootLost) return undefined;
    if (lost) this.#walk(this.#root, ROOT);
    for (const { dir, name } of doubtful) this.#settle(dir, name);
    // What a rename brings elsewhere is found there with the next batch, if not with this one; the rest has left.
    for (const dir of before) if (this.#lone.has(dir)) this.#forget(dir);
    return lost ? undefined : hints;
  }

  /** Looks what is at a name now. */
  #settle(dir: Watched, name: string): void {
    const path = this.#pathOf(dir);
    // Where another is at its place, an event is to come that brings it to its own, and it is walked then.
    if (path === undefined || this.#watch(path) !== dir.watch) return;
    const child = dir.children.get(name);
    const found = this.#find(joinPath(path, name));
    if (child && child === found) return;
    if (child) this.#detach(child);
    if (!found) return;
    this.#attach(found, dir, name);
    this.#walk(found, joinPath(path, name));
  }

  /** Brings all that is known of what is below a directory to what is there. */
  #walk(dir: Watched, path: RelPath): void {
    const names = new Set(this.#subdirectories(path));
    for (const [name, child] of dir.children) if (!names.has(name)) this.#detach(child);
    for (const name of names) {
      if (dir === this.#root && isPrivateName(name)) continue;
      const below = joinPath(path, name), found = this.#find(below);
      if (!found) continue;
      const known = dir.children.get(name);
      if (known && known !== found) this.#detach(known);
      if (known !== found) this.#attach(found, dir, name);
      this.#walk(found, below);
    }
  }

  /** The directory at a path, watched. */
  #find(path: RelPath): Watched | undefined {
    const watch = this.#watch(path);
    if (watch === undefined) return undefined;
    let found = this.#byWatch.get(watch);
    if (!found) this.#byWatch.set(watch, found = { watch, parent: undefined, name: "", children: new Map() });
    return found === this.#root ? undefined : found;
  }

  #watch(path: RelPath): number | undefined {
    try {
      return this.#inotify.watch(path);
    } catch (error) {
      // Gone, or not to be read: either way the scan, or a later event, has to do with it.
      if (isOutOfWatches(error)) this.#unwatched.add(path);
      else if (!isOfPath(error)) throw error;
      return undefined;
    }
  }

  /** The directory that is known to be at a path. */
  #known(path: RelPath): Watched | undefined {
    return namesOf(path).reduce<Watched | undefined>((dir, name) => dir?.children.get(name), this.#root);
  }

  #subdirectories(path: RelPath): string[] {
    try {
      return this.#inotify.subdirectories(path);
    } catch (error) {
      if (!isOfPath(error)) throw error;
      return [];
    }
  }

  /** Where a directory is; undefined for what is not known to be in the tree. */
  #pathOf(dir: Watched): RelPath | undefined {
    const names: string[] = [];
    let at: Watched | undefined = dir;
    for (; at && at !== this.#root; at = at.parent) names.push(at.name);
    return at && names.reverse().reduce(joinPath, ROOT);
  }

  #attach(dir: Watched, parent: Watched, name: string): void {
    this.#detach(dir);
    // What is below it by what was known cannot be above it.
    for (let at: Watched | undefined = parent; at; at = at.parent) if (at.parent === dir) this.#detach(at);
    dir.parent = parent;
    dir.name = name;
    parent.children.set(name, dir);
    this.#lone.delete(dir);
  }

  #detach(dir: Watched): void {
    dir.parent?.children.delete(dir.name);
    dir.parent = undefined;
    this.#lone.add(dir);
  }

  /** Takes the watches from what has left the tree. */
  #forget(dir: Watched): void {
    this.#inotify.unwatch(dir.watch);
    this.#byWatch.delete(dir.watch);
    this.#lone.delete(dir);
    for (const child of dir.children.values()) this.#forget(child);
  }
}
