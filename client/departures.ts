// What is gone waits for a moment before it is deleted in the mirror: a watcher tells the two halves of a rename one after the
// other, and when the second comes the entry has only moved.

import type { RelPath } from "../core/path.ts";

/** More paths than this are not remembered. */
const MAX_PATHS = 50_000;

/** Remembers since when paths have been gone. Times are ms of the clock that the caller uses. */
export class Departures {
  readonly #since = new Map<RelPath, number>();

  /** @param graceMs How long the other half of a rename may take. */
  constructor(readonly graceMs: number) {}

  /** When what was at `path` may be deleted, seen to be gone at `now`; a time that is not in the future means now. */
  dueAt(path: RelPath, now: number): number {
    const since = this.#since.get(path) ?? now;
    const due = since + this.graceMs;
    if (due <= now) this.#since.delete(path);
    else this.#since.set(path, since);
    // Of what has moved or come back nobody asks again.
    if (this.#since.size > MAX_PATHS) this.#since.clear();
    return due;
  }
}
