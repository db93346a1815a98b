// Hashes for others as a second thread does, but in this one: what a job gives is what was there when it was begun.

import { digestOf } from "../../core/recipe.ts";
import type { Hasher, Job } from "../../core/second_thread.ts";

/** Takes jobs about whatever `read` reads, while `mayTake` says so. */
export class InlineHasher implements Hasher {
  /** Jobs begun and not taken; chunks hashed. */
  open = 0;
  hashed = 0;
  isDisposed = false;
  /** What becomes of jobs: a thread that cannot read gives nothing. */
  fails = false;

  constructor(
    readonly read: (handle: number, offset: number, length: number) => Uint8Array,
    readonly mayTake: () => boolean = () => true,
  ) {}

  begin(handle: number, offset: number, lengths: readonly number[]): Job | undefined {
    if (this.isDisposed || this.open >= 2 || !this.mayTake()) return undefined;
    this.open++;
    let at = offset;
    const digests = lengths.map((length) => digestOf(this.read(handle, (at += length) - length, length)));
    let isTaken = false;
    const take = () => {
      if (!isTaken) {
        this.open--;
        if (!this.fails) this.hashed += lengths.length;
      }
      isTaken = true;
      return this.fails ? undefined : digests;
    };
    return { isDone: false, take };
  }

  [Symbol.dispose](): void {
    if (this.open > 0) throw new Error("A file is closed that is still being read");
    this.isDisposed = true;
  }
}
