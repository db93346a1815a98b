// Whether what a new version has from the mirror's own files came out as it should: what has been written is hashed, by a second
// thread where one has time, while the first goes on copying.

import type { WritableFile } from "../core/fs.ts";
import type { RelPath } from "../core/path.ts";
import { digestOf } from "../core/recipe.ts";
import type { Hasher, Job, StartHasher } from "../core/second_thread.ts";
import type { Digest } from "../core/types.ts";
import type { Holdings } from "./holdings.ts";

/** Consecutive chunks that have been written. */
export interface Written {
  /** File of the mirror that they came from. */
  readonly from: RelPath;
  /** Where they begin in the new version. */
  readonly offset: number;
  readonly lengths: readonly number[];
  /** What they should have. */
  readonly digests: readonly Digest[];
}

/** A file that is being put together. */
export interface BeingMade {
  readonly file: WritableFile;
  /** Where it lies. */
  readonly at: RelPath;
  /** What was said of it; bytes. */
  readonly begin: { readonly size: number };
}

interface Begun {
  readonly written: Written;
  readonly job: Job;
}

/** Checks one file that is being put together. It MUST be disposed before the file is closed. */
export class Checking implements Disposable {
  readonly #holdings: Holdings;
  readonly #file: WritableFile;
  readonly #at: RelPath;
  readonly #thread: Hasher | undefined;
  #begun: Begun[] = [];

  /** @param start Lends a thread that shares the work. */
  constructor(holdings: Holdings, { file, at, begin: { size } }: BeingMade, start?: StartHasher) {
    this.#holdings = holdings;
    this.#file = file;
    this.#at = at;
    this.#thread = file.handle === undefined ? undefined : start?.(size);
  }

  /**
   * Checks chunks, now or later.
   * @param bytes What they are, if that has been read.
   * @throws {ProblemError} If these, or some before them, are not what they should be.
   */
  check(written: Written, bytes?: Uint8Array): void {
    while (this.#begun[0]?.job.isDone) this.#finishFirst();
    const { lengths, offset } = written;
    const job = this.#thread?.begin(this.#file.handle!, offset, lengths);
    if (job) this.#begun.push({ written, job });
    else this.#checkHere(written, bytes);
  }

  /** Waits for what has not been checked yet. @throws {ProblemError} If something is not what it should be. */
  finish(): void {
    while (this.#begun.length > 0) this.#finishFirst();
  }

  [Symbol.dispose](): void {
    for (const { job } of this.#begun.splice(0)) job.take();
    this.#thread?.[Symbol.dispose]();
  }

  #finishFirst(): void {
    const { written, job } = this.#begun.shift()!;
    const digests = job.take();
    if (!digests) this.#checkHere(written);
    else digests.forEach((digest, i) => this.#holdings.expect(written.from, digest, written.digests[i]!));
  }

  #checkHere(
    { from, offset, lengths, digests }: Written,
    bytes = this.#holdings.read(this.#at, offset, lengths.reduce((sum, length) => sum + length, 0)),
  ): void {
    for (let i = 0, at = 0; i < lengths.length; at += lengths[i++]!) {
      this.#holdings.expect(from, digestOf(bytes.subarray(at, at + lengths[i]!)), digests[i]!);
    }
  }
}
