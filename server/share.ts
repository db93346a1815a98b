// New versions of files that share blocks with old ones, on file systems that can (Btrfs, XFS, bcachefs): nothing is written, and
// the version that goes to the history takes no room. Nobody is believed: whoever calls reads the new file, and checks that.

import { BLOCK_BYTES, type WritableFile } from "../core/fs.ts";
import type { RelPath } from "../core/path.ts";
import { type Holdings, MAX_CHUNK_BYTES } from "./holdings.ts";

/** Less is copied sooner than shared (bytes). */
const SHARED_FROM = 16 * BLOCK_BYTES;

/** A range of a file. */
export interface Range {
  readonly path: RelPath;
  readonly start: number;
  readonly length: number;
}

/** Appends ranges of the mirror's files to new ones, by their blocks. */
export class Sharing {
  readonly #holdings: Holdings;
  /** Whether it has turned out that blocks cannot be shared here. */
  #isVain = false;

  constructor(holdings: Holdings) {
    this.#holdings = holdings;
  }

  /**
   * Appends `range` to a file of `size` bytes.
   * @param write Appends bytes to it.
   * @returns Whether it has; false, with nothing appended, where there is nothing to share.
   */
  append(
    { path, start, length }: Range,
    file: WritableFile,
    size: number,
    write: (bytes: Uint8Array) => void,
  ): boolean {
    if (this.#isVain || length < SHARED_FROM || start % BLOCK_BYTES !== size % BLOCK_BYTES) return false;
    const end = start + length;
    const copy = (from: number, to: number) => {
      for (let at = from, next; at < to; at = next) {
        next = Math.min(to, at + MAX_CHUNK_BYTES);
        write(this.#holdings.read(path, at, next - at));
      }
    };
    const from = Math.ceil(start / BLOCK_BYTES) * BLOCK_BYTES, to = Math.floor(end / BLOCK_BYTES) * BLOCK_BYTES;
    copy(start, from);
    if (!file.clone(this.#holdings.file(path), from, to - from)) {
      this.#isVain = true;
      copy(from, to);
    }
    copy(to, end);
    return true;
  }
}
