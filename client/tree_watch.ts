// Watches a whole tree by inotify, which watches single directories: keeps a watch for each, knows by them where every directory
// is now, and makes paths of events. A directory is watched before it is listed, so what comes into it is in one or the other.

import { isOfPath } from "../core/errors.ts";
import { isPrivateName, joinPath, type RelPath, ROOT } from "../core/path.ts";
import { IN, type Inotify, type InotifyEvent, isOutOfWatches } from "./inotify.ts";

/** A directory that is watched. */
interface Watched {
  readonly watch: number;
  /** The directory that it is in; undefined for the root, and for what has left the tree. */
  parent: Watched | undefined;
  name: string;
  readonly children: Map<string, Watched>;
}

/** What events mean: paths that may have changed, or undefined where that can be anything. */
export type Hints = Set<RelPath> | undefined;

/** The directories of one tree, as inotify knows them. */
export class TreeWatch {
  readonly #inotify: Inotify;
  readonly #root: Watched;
  readonly #byWatch = new Map<number, Watched>();
  /** What has been moved away and not come back yet, by the cookie of its rename. */
  #moving = new Map<number, Watched>();

  /** Watches everything. @throws {Error} If the system allows no more watches, or the root cannot be watched. */
  constructor(inotify: Inotify) {
    this.#inotify = inotify;
    this.#root = { watch: inotify.watch(ROOT), parent: undefined, name: "", children: new Map() };
    this.#byWatch.set(this.#root.watch, this.#root);
    this.#watchBelow(this.#root, ROOT);
  }

  /** Takes a batch of events. @returns What may have changed. @throws {Error} If the system allows no more watches. */
  take(events: readonly InotifyEvent[]): Hints {
    const hints = new Set<RelPath>();
    // The halves of a rename follow each other; what is still alone a batch later has left the tree.
    const left = this.#moving;
    this.#moving = new Map(left);
    let lost = false;
    for (const event of events) {
      if ((event.mask & IN.Q_OVERFLOW) !== 0) lost = true;
      else this.#take(event, hints);
    }
    for (const [cookie, node] of left) if (this.#moving.delete(cookie)) this.#forget(node);
    if (lost) this.#watchBelow(this.#root, ROOT);
    return lost || hints.has(ROOT) && !this.#byWatch.has(this.#root.watch) ? undefined : hints;
  }

  #take({ watch, mask, cookie, name }: InotifyEvent, hints: Set<RelPath>): void {
    const node = this.#byWatch.get(watch);
    if (!node) return;
    if ((mask & IN.IGNORED) !== 0) {
      this.#byWatch.delete(watch);
      detach(node);
      if (node === this.#root) hints.add(ROOT);
      return;
    }
    const dir = this.#pathOf(node);
    if (dir === undefined) return;
    if (name === "") {
      // Of other directories the one above tells the same.
      if (node === this.#root) hints.add(ROOT);
      return;
    }
    if (node === this.#root && isPrivateName(name)) return;
    const path = joinPath(dir, name);
    hints.add(path);
    if ((mask & IN.ISDIR) === 0) return;
    const child = node.children.get(name);
    if ((mask & IN.MOVED_FROM) !== 0) {
      if (!child) return;
      detach(child);
      this.#moving.set(cookie, child);
    } else if ((mask & IN.MOVED_TO) !== 0) {
      if (child) detach(child);
      const moved = this.#moving.get(cookie);
      this.#moving.delete(cookie);
      if (moved) attach(moved, node, name);
      else this.#watchTree(path, node, name);
    } else if ((mask & IN.DELETE) !== 0) {
      if (child) detach(child);
    } else if (!child || (mask & IN.CREATE) !== 0) {
      // It is new, or may be read only now.
      this.#watchTree(path, node, name);
    }
  }

  /** Where a directory is; undefined for what has left the tree. */
  #pathOf(node: Watched): RelPath | undefined {
    const names: string[] = [];
    let at: Watched | undefined = node;
    for (; at && at !== this.#root; at = at.parent) names.push(at.name);
    return at && names.reverse().reduce(joinPath, ROOT);
  }

  /** Watches a directory and all below it. */
  #watchTree(path: RelPath, parent: Watched, name: string): void {
    let watch: number;
    try {
      watch = this.#inotify.watch(path);
    } catch (error) {
      // Gone again, or not to be read: either way the scan, or a later event, has to do with it.
      if (isOutOfWatches(error) || !isOfPath(error)) throw error;
      return;
    }
    let node = this.#byWatch.get(watch);
    // One that is known has been moved while nobody could see it.
    if (node) detach(node);
    else this.#byWatch.set(watch, node = { watch, parent, name, children: new Map() });
    attach(node, parent, name);
    this.#watchBelow(node, path);
  }

  #watchBelow(node: Watched, path: RelPath): void {
    let names: string[];
    try {
      names = this.#inotify.subdirectories(path);
    } catch (error) {
      if (!isOfPath(error)) throw error;
      return;
    }
    for (const name of names) {
      if (node !== this.#root || !isPrivateName(name)) this.#watchTree(joinPath(path, name), node, name);
    }
  }

  /** Takes the watches from what has left the tree. */
  #forget(node: Watched): void {
    this.#inotify.unwatch(node.watch);
    this.#byWatch.delete(node.watch);
    for (const child of node.children.values()) this.#forget(child);
  }
}

function attach(node: Watched, parent: Watched, name: string): void {
  node.parent = parent;
  node.name = name;
  parent.children.set(name, node);
}

function detach(node: Watched): void {
  const { parent, name } = node;
  if (parent?.children.get(name) === node) parent.children.delete(name);
  node.parent = undefined;
}
