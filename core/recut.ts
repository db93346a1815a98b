// Cuts a file of which an earlier version's recipe is known: hashes at the old boundaries and sieves only around what has
// changed. What comes out is exactly what cutting it afresh gives, at about the speed of hashing alone.
//
// Why that is exact: a cut depends on the cut before it, on the content from `reach` and a window before it, and on that up to
// `reach` bytes behind it (a forced one on that up to the longest chunk, which is no further off). So chunks that equal the old
// ones stand, save that a cut less than `reach` bytes before the first difference is uncertain and is made again; and once
// fresh chunks behind the difference equal consecutive old ones over `reach` and a window, both versions have the same past as
// far as any later cut can see, and the old cuts hold again.

import type { Ahead } from "./ahead.ts";
import type { CutOptions, Cutter, ReadAt } from "./chunker.ts";
import { digestOf, digestOfChunk, digestOfZeros } from "./recipe.ts";
import type { Digest, Recipe } from "./types.ts";

/** Read at a time where it is only hashed (bytes); the longest chunk fits in. */
const BLOCK = 1 << 20;
/** Bytes before a position that decide its key. */
const WINDOW = 32;
/** So many returns to the old boundaries are free; then one for so many chunks, or cutting afresh is the quicker way. */
const FREE_RETURNS = 8;
const CHUNKS_A_RETURN = 8;

/** A chunk of the new version. */
export interface Piece {
  readonly length: number;
  readonly digest: Digest;
  /** Which of the old version's chunks this is, as far as its place tells; undefined where it was cut afresh. */
  readonly old: number | undefined;
  /** The content, until the next piece is asked for; only of what was cut afresh. */
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
}

/** What is to be cut again. */
export interface RecutOptions {
  /** Bytes of the file. */
  readonly size: number;
  /** What it was. */
  readonly old: Recipe;
  /** Tells holes, as `CutOptions` say. */
  readonly dataFrom?: CutOptions["dataFrom"];
  /** Knows digests of what has not been read yet. */
  readonly ahead?: Pick<Ahead, "digestOf"> | undefined;
}

let memory: Uint8Array<ArrayBuffer> | undefined;

/**
 * The chunks of a file of `size` bytes, cut with the class of `old`. Nothing else may use `cutter` meanwhile, nor cut again here.
 *
 * A short read counts as the end of the file, as in `Cutter`: the caller MUST compare the sum of the lengths with `size`.
 */
export function* recut(
  cutter: Cutter,
  readAt: ReadAt,
  { size, old, dataFrom, ahead }: RecutOptions,
): Generator<Piece, void> {
  const { average, lengths, digests } = old;
  const reach = average / 2;
  const last = lengths.length - 1;
  const block = memory ??= new Uint8Array(new WebAssembly.Memory({ initial: BLOCK >> 16 }).buffer as ArrayBuffer);
  let blockAt = 0, blockLength = 0;
  /** Where the data begin that come next. */
  let dataAt = 0;
  let places: Map<Digest, number> | undefined;
  let chunks = 0, returns = 0;
  /** End of what was given out, and of what was found to be as it was. */
  let given = 0, at = 0;
  /** Old chunks found in their places: the next to be given out, and the next to be expected. */
  let first = 0, next = 0;
  for (;;) {
    while (next <= last) {
      const length = lengths[next]!;
      if (next === last ? at + length !== size : at + length >= size) break;
      if (dataFrom && at >= dataAt) dataAt = dataFrom(at);
      if (dataFrom && at + length <= dataAt) {
        if (digestOfZeros(length) !== digests[next]) break;
      } else {
        const known = ahead?.digestOf(next, at);
        if (known === undefined && (at < blockAt || at + length > blockAt + blockLength)) {
          blockAt = at;
          blockLength = readAt(at, block.subarray(0, Math.min(BLOCK, size - at)));
          if (blockLength < length) break;
        }
        const digest = known ?? digestOf(block.subarray(at - blockAt, at - blockAt + length));
        if (digest !== digests[next]) break;
      }
      at += length;
      next++;
      // A cut this far behind is out of the reach of whatever comes.
      for (; first < next && (at === size || given + lengths[first]! <= at - reach); first++, chunks++) {
        given += lengths[first]!;
        yield { length: lengths[first]!, digest: digests[first]!, old: first, bytes: undefined };
      }
    }
    if (given === size) return;
    places ??= new Map(digests.map((digest, i) => [digest, i]));
    cutter.start(readAt, { size, average, from: given, dataFrom });
    const mayReturn = returns++ < FREE_RETURNS + chunks / CHUNKS_A_RETURN;
    const changed = at;
    let alike = 0, before = -2, found = false;
    for (let chunk = cutter.next(); chunk; chunk = cutter.next()) {
      const { offset, bytes } = chunk;
      const digest = digestOfChunk(chunk), length = bytes.length;
      given = offset + length;
      chunks++;
      yield { length, digest, old: undefined, bytes };
      if (offset < changed || !mayReturn) continue;
      // Of equal old chunks the one in sequence counts.
      const same: number | undefined = digests[before + 1] === digest ? before + 1 : places.get(digest);
      alike = same === undefined ? 0 : same === before + 1 ? alike + length : length;
      before = same ?? -2;
      if (alike < reach + WINDOW || given >= size) continue;
      first = next = before + 1;
      at = given;
      found = true;
      break;
    }
    if (!found) return;
  }
}
