// Digests of an old version's chunks at the places where they are expected in the new one, made on a second thread ahead of whoever
// compares them: of stretches of equal length every other one is the second thread's.

import { startsOf } from "./recipe.ts";
import { type Hashing, type Job, MAX_JOB_CHUNKS } from "./second_thread.ts";
import type { Digest } from "./types.ts";

/** Of a stretch (bytes), at most, unless a single chunk is longer. */
const STRETCH_BYTES = 1 << 20;

interface Begun {
  /** Numbers of the first chunk and of the one behind the last. */
  readonly from: number;
  readonly to: number;
  readonly job: Job;
}

/** What is known ahead of one file. */
export class Ahead implements Disposable {
  readonly #hashing: Hashing;
  readonly #handle: number;
  readonly #lengths: readonly number[];
  /** Where each chunk of the old version began, and where that ended. */
  readonly #starts: Float64Array;
  readonly #size: number;
  readonly #stretch: number;
  #begun: Begun[] = [];
  /** By how much everything has moved, as far as what was begun assumes. */
  #shift = 0;
  /** Chunks before this one are somebody's already. */
  #planned = 0;

  /** @param lengths Of the old version's chunks. @param size Of the new version, bytes. @param stretch Bytes of a stretch. */
  constructor(
    hashing: Hashing,
    handle: number,
    lengths: readonly number[],
    size: number,
    stretch: number = STRETCH_BYTES,
  ) {
    this.#stretch = stretch;
    this.#hashing = hashing;
    this.#handle = handle;
    this.#lengths = lengths;
    this.#size = size;
    this.#starts = startsOf(lengths);
  }

  /**
   * The digest of what is at `at` and as long as old chunk number `index`. Waits for one that is being made.
   * @returns undefined where the caller is to make it.
   */
  digestOf(index: number, at: number): Digest | undefined {
    const shift = at - this.#starts[index]!;
    if (shift !== this.#shift) this.#drop(Infinity);
    this.#shift = shift;
    this.#drop(index);
    const [first] = this.#begun;
    if (first && first.from <= index) return first.job.take()?.[index - first.from];
    this.#plan(index);
    return undefined;
  }

  /** Lets nothing read the file any more. */
  [Symbol.dispose](): void {
    this.#drop(Infinity);
  }

  /** Forgets what ends before chunk number `index`. */
  #drop(index: number): void {
    while (this.#begun[0] && this.#begun[0].to <= index) this.#begun.shift()!.job.take();
    if (index === Infinity) this.#planned = 0;
  }

  /** Has stretches hashed behind the caller's, which begins with chunk number `index`. */
  #plan(index: number): void {
    for (;;) {
      const from = this.#end(Math.max(index, this.#planned)), to = this.#end(from);
      if (to <= from) return;
      const offset = this.#starts[from]! + this.#shift;
      const job = this.#hashing.begin(this.#handle, offset, this.#lengths.slice(from, to));
      if (!job) return;
      this.#begun.push({ from, to, job });
      this.#planned = to;
    }
  }

  /** The chunk behind a stretch that begins with chunk number `from`; the last one of a file is nobody's. */
  #end(from: number): number {
    const limit = this.#starts[from]! + this.#stretch, starts = this.#starts;
    let to = from;
    const fits = (to: number) =>
      to + 1 < this.#lengths.length && starts[to + 1]! + this.#shift < this.#size && to - from < MAX_JOB_CHUNKS;
    while (fits(to) && (to === from || starts[to + 1]! <= limit)) to++;
    return to;
  }
}
