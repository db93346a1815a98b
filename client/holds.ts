// Which files have to wait: one that has just been sent is held back for a while when it changes again, so that a log that is
// written all the time does not fill the link. Its last state is always sent once the interval is over.

import type { RelPath } from "../core/path.ts";

/** Share of the time that sending one file over and over may take, by default. */
const SHARE = 0.1;
/** Longest that the default holds a file back (ms). */
const LONGEST_MS = 60_000;

/** Says when a file may be sent again. Times are ms of the clock that the caller uses. */
export class Holds {
  readonly #due = new Map<RelPath, number>();

  /** @param intervalMs Least time between two sendings of a file; undefined: ten times what the last one took. */
  constructor(readonly intervalMs: number | undefined) {}

  /** When the file at `path` may be sent; any time that is not in the future means now. */
  dueAt(path: RelPath): number {
    return this.#due.get(path) ?? -Infinity;
  }

  /** Notes that the file was sent, which ended at `now` and took `tookMs`. */
  sent(path: RelPath, now: number, tookMs: number): void {
    const wait = this.intervalMs ?? Math.min(LONGEST_MS, tookMs / SHARE);
    if (wait <= 0) this.#due.delete(path);
    else this.#due.set(path, now + wait);
    if (this.#due.size > 10_000) this.#forget(now);
  }

  #forget(now: number): void {
    for (const [path, due] of this.#due) if (due <= now) this.#due.delete(path);
  }
}
