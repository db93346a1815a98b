// The fine grain: a changed chunk travels as ranges of old ones and what is new between them. The mirror tells of what pieces
// the old chunks are, cut more finely by the same function; the client finds the same pieces in the new chunk. Fingerprints
// are short: whether the result is right, its SHA-256 tells.

import { Cutter, FINEST_AVERAGE, type ReadAt } from "./chunker.ts";
import { PRINT_BYTES } from "./limits.ts";
import { digestOf } from "./recipe.ts";
import type { PatchPart } from "./wire.ts";

/** Bytes that a patch may cost beside the new ones, roughly, for it to be worth it. */
const OVERHEAD = 64;

/** A piece of a chunk. */
export interface Sketched {
  readonly length: number;
  /** Its fingerprint, in hexadecimal. */
  readonly print: string;
}

/**
 * The average of pieces (bytes) for chunks of an average: about what makes their fingerprints together as long as one of them is.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals([2048, 32768, 262144].map(pieceAverage), [128, 512, 1024]);
 * ```
 */
export function pieceAverage(average: number): number {
  return Math.max(FINEST_AVERAGE, 2 ** Math.floor(Math.log2(Math.sqrt(PRINT_BYTES * average))));
}

let cutter: Cutter | undefined;

/** The pieces of one chunk, which was cut with the class `average`. */
export function sketch(bytes: Uint8Array, average: number): Sketched[] {
  // One of its own: whoever cuts the file itself is in the midst of it.
  cutter ??= new Cutter();
  const readAt: ReadAt = (offset, into) => {
    const part = bytes.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  };
  const pieces: Sketched[] = [];
  cutter.start(readAt, { size: bytes.length, average: pieceAverage(average) });
  for (let piece = cutter.next(); piece; piece = cutter.next()) {
    pieces.push({ length: piece.bytes.length, print: digestOf(piece.bytes).slice(0, 2 * PRINT_BYTES) });
  }
  return pieces;
}

/**
 * How to make a chunk of what is in the base, or undefined where its bytes themselves are hardly more.
 *
 * @param places Offsets in the base by fingerprint.
 */
export function patchOf(
  bytes: Uint8Array,
  pieces: readonly Sketched[],
  places: ReadonlyMap<string, number>,
): PatchPart[] | undefined {
  const parts: { from: number | undefined; at: number; length: number }[] = [];
  let at = 0, fresh = 0;
  for (const { length, print } of pieces) {
    const from = places.get(print), last = parts.at(-1);
    const goesOn = last && (from === undefined ? last.from === undefined : last.from! + last.length === from);
    if (goesOn) last.length += length;
    else parts.push({ from, at, length });
    if (from === undefined) fresh += length;
    at += length;
  }
  if (fresh + OVERHEAD + 8 * parts.length > bytes.length * 3 / 4) return undefined;
  return parts.map(({ from, at, length }) =>
    from === undefined ? { bytes: bytes.subarray(at, at + length) } : { offset: from, length }
  );
}

/** Where pieces that follow each other from `offset` on are, by fingerprint. */
export function placesOf(pieces: readonly Sketched[], offset: number): Map<string, number> {
  const places = new Map<string, number>();
  for (const { length, print } of pieces) {
    places.set(print, offset);
    offset += length;
  }
  return places;
}

/** Fingerprints one behind the other, as they travel. */
export function encodePrints(pieces: readonly Sketched[]): Uint8Array {
  const bytes = new Uint8Array(PRINT_BYTES * pieces.length);
  pieces.forEach(({ print }, i) => bytes.subarray(PRINT_BYTES * i).setFromHex(print));
  return bytes;
}

/** Pieces out of what travelled. */
export function decodePieces(lengths: readonly number[], prints: Uint8Array): Sketched[] {
  return lengths.map((length, i) => ({
    length,
    print: prints.subarray(PRINT_BYTES * i, PRINT_BYTES * (i + 1)).toHex(),
  }));
}
