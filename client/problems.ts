// The paths that could not be mirrored: each is told once, tried again at growing intervals (and whenever it changes), and told
// again when it is over.

import type { Emit } from "../core/events.ts";
import type { RelPath } from "../core/path.ts";

/** First and longest interval between two tries (ms). */
const FIRST_MS = 2_000;
const LONGEST_MS = 300_000;

interface Known {
  message: string;
  tries: number;
}

/** Keeps the problems of one source. */
export class Problems {
  readonly #known = new Map<RelPath, Known>();

  constructor(readonly emit: Emit) {}

  get size(): number {
    return this.#known.size;
  }

  /**
   * Notes how a cycle ended.
   *
   * @param found The problems that it met.
   * @param looked Whether it looked at a path, so that a known problem there which it did not meet is over.
   * @returns When to try each again: ms from now.
   */
  update(found: ReadonlyMap<RelPath, string>, looked: (path: RelPath) => boolean): Map<RelPath, number> {
    for (const path of [...this.#known.keys()]) {
      if (found.has(path) || !looked(path)) continue;
      this.#known.delete(path);
      this.emit({ event: "solved", path });
    }
    const retries = new Map<RelPath, number>();
    for (const [path, message] of found) {
      const known = this.#known.get(path);
      if (known?.message !== message) this.emit({ event: "problem", path, message });
      const tries = (known?.tries ?? 0) + 1;
      this.#known.set(path, { message, tries });
      retries.set(path, Math.min(LONGEST_MS, FIRST_MS * 2 ** (tries - 1)));
    }
    return retries;
  }
}
