// A system that allows only so many watches.

import type { Inotify } from "../../client/inotify.ts";
import type { Watches } from "../../client/tree_watch.ts";
import type { RelPath } from "../../core/path.ts";

/** Watches, of which there are but so many. */
export class Limited implements Watches {
  readonly #given = new Set<number>();

  constructor(readonly inotify: Inotify, public most = Infinity) {}

  watch(dir: RelPath): number {
    const watch = this.inotify.watch(dir);
    if (this.#given.has(watch)) return watch;
    if (this.#given.size < this.most) {
      this.#given.add(watch);
      return watch;
    }
    this.inotify.unwatch(watch);
    throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
  }

  unwatch(watch: number): void {
    this.#given.delete(watch);
    this.inotify.unwatch(watch);
  }

  subdirectories(dir: RelPath): string[] {
    return this.inotify.subdirectories(dir);
  }
}
