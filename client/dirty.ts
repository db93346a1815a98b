// What may have changed since the last cycle: gathered from the watcher, from timers and from what could not be done yet.
// Nothing is dropped; where there is too much to remember, the whole source is dirty.

import type { RelPath } from "../core/path.ts";
import type { Dirty } from "./cycle.ts";

/** More paths than this are "everything". */
const MAX_PATHS = 50_000;

/** Gathers what is dirty, and wakes who waits for it. */
export class DirtySet {
  #all = false;
  #paths = new Set<RelPath>();
  #names = new Set<RelPath>();
  #later = new Map<RelPath, number>();
  #namesLater: { at: number; dir: RelPath }[] = [];
  #wake: (() => void) | undefined;
  /** How often something was added that is dirty now: where it is the same again, nobody has told of any change. */
  additions = 0;

  /** The whole source, now. */
  addAll(): void {
    this.#all = true;
    this.additions++;
    this.#wake?.();
  }

  /** These paths, now. */
  addPaths(paths: Iterable<RelPath>): void {
    this.additions++;
    for (const path of paths) this.#paths.add(path);
    if (this.#paths.size > MAX_PATHS) {
      this.#all = true;
      this.#paths.clear();
    }
    this.#wake?.();
  }

  /** This path, at a time (ms of the clock); an earlier time for it stands. */
  addLater(path: RelPath, at: number): void {
    this.#later.set(path, Math.min(at, this.#later.get(path) ?? Infinity));
    this.#wake?.();
  }

  /** The names in this directory, at a time. */
  addNamesLater(dir: RelPath, at: number): void {
    this.#namesLater.push({ at, dir });
  }

  /** When there is something to do next: -Infinity now, Infinity never as far as is known. */
  dueAt(): number {
    if (this.#all || this.#paths.size > 0 || this.#names.size > 0) return -Infinity;
    let due = Infinity;
    for (const at of this.#later.values()) due = Math.min(due, at);
    for (const { at } of this.#namesLater) due = Math.min(due, at);
    return due;
  }

  /** Whether content waits to be sent, now or later. */
  get waits(): boolean {
    return this.#all || this.#paths.size > 0 || this.#later.size > 0;
  }

  /** Takes what is due at `now`, for a cycle. */
  take(now: number): Dirty {
    for (const [path, at] of this.#later) {
      if (at > now) continue;
      this.#later.delete(path);
      this.#paths.add(path);
    }
    const soon = this.#namesLater.filter(({ at }) => at <= now);
    this.#namesLater = this.#namesLater.filter(({ at }) => at > now);
    for (const { dir } of soon) this.#names.add(dir);
    const dirty = { all: this.#all, paths: this.#paths, names: this.#names };
    this.#all = false;
    this.#paths = new Set();
    this.#names = new Set();
    return dirty;
  }

  /** Gives back what a cycle took and did not finish. */
  giveBack({ all, paths, names }: Dirty): void {
    if (all) this.addAll();
    this.addPaths(paths);
    for (const dir of names) this.#names.add(dir);
  }

  /** Resolves when something is added. */
  added(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }
}
