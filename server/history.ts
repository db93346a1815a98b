// The history: nothing in the mirror is destroyed without a way back. What a commit replaces or removes is moved to a folder
// named by the commit's time, under the path where it was (server/moment.ts). Beside the folders lies a log of what each commit
// did (server/history_log.ts).

import type { Clock } from "../core/clock.ts";
import type { FileSystem } from "../core/fs.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import { listHistory, readLog, type Stamp, stampOf, timeOf } from "./history_log.ts";
import { Moment } from "./moment.ts";

/** Fact of the index: how many bytes the history holds. */
const BYTES_FACT = "history bytes";

/** How much is kept. */
export interface HistoryLimits {
  /** How long what was replaced or removed is kept (days); 0 = not at all. */
  readonly days: number;
  /** At most how many bytes are kept; by default a fifth of the mirror, but all of the last day. */
  readonly bytes?: number | undefined;
}

/** What a history works with. */
export interface HistoryDeps {
  readonly fs: FileSystem;
  readonly clock: Clock;
  /** Whether it keeps anything. */
  readonly keeps: boolean;
}

/** The history of one mirror. */
export class History {
  readonly #deps: HistoryDeps;
  #last: number | undefined;
  #uncounted = 0;

  constructor(deps: HistoryDeps) {
    this.#deps = deps;
  }

  /**
   * Begins a commit's part of it; nothing is on the disk before there is something to keep.
   * @param index Told of what goes; undefined before there is one.
   */
  begin(index?: TreeIndex): Moment {
    return new Moment(this.#deps, index, {
      nextStamp: () => this.#nextStamp(),
      grew: (bytes) => index && this.grew(index, bytes),
    });
  }

  /** Bytes that it holds; undefined where that is not known. */
  bytes(index: TreeIndex): number | undefined {
    const bytes = index.fact(BYTES_FACT);
    return bytes === undefined ? undefined : Number(bytes);
  }

  /** Notes that it holds more, or less. */
  grew(index: TreeIndex, bytes: number): void {
    const before = this.bytes(index);
    if (before === undefined) this.#uncounted += bytes;
    else index.setFact(BYTES_FACT, String(Math.max(0, before + bytes)));
  }

  /** What it holds is to be counted anew: what comes from now on is counted by `grew`. */
  beginCount(): void {
    this.#uncounted = 0;
  }

  endCount(index: TreeIndex, bytes: number): void {
    index.setFact(BYTES_FACT, String(Math.max(0, bytes + this.#uncounted)));
  }

  /** What it holds is not known any more. */
  forgetCount(index: TreeIndex): void {
    index.forgetFact(BYTES_FACT);
  }

  /** Later than every stamp before, whatever the clock says. */
  #nextStamp(): Stamp {
    const { fs, clock } = this.#deps;
    this.#last = Math.max(clock.date(), (this.#last ?? lastTime(fs)) + 1);
    return stampOf(this.#last);
  }
}

/** The time of the last commit that the history knows of; 0 if there is none. */
function lastTime(fs: FileSystem): number {
  const { stamps, days } = listHistory(fs);
  const logged = days.length > 0 ? readLog(fs, days.at(-1)!, true).at(-1)?.at : undefined;
  return Math.max(...[stamps.at(-1), logged].map((stamp) => stamp === undefined ? 0 : timeOf(stamp)!));
}
