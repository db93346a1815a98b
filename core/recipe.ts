// Recipes: what a file is made of, as bytes. The same content cut with the same average has one encoding on every machine,
// so its digest names the content. What comes from elsewhere is checked in full before it is used.
//
//   1 byte: log2 of the average; then per chunk, in order: its length (unsigned LEB128, minimal) and its 32-byte digest

import { hash } from "node:crypto";
import { ProtocolError } from "./errors.ts";
import { DIGEST_BYTES, MAX_AVERAGE, MAX_FILE_BYTES, MIN_AVERAGE } from "./limits.ts";
import type { Digest, Recipe } from "./types.ts";

/** Longest chunk of a recipe, in multiples of its average. */
const LONGEST = 4;

/**
 * The SHA-256 of `bytes`.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(digestOf(new Uint8Array()).slice(0, 8), "e3b0c442");
 * ```
 */
export function digestOf(bytes: Uint8Array): Digest {
  return hash("sha256", bytes, "hex");
}

/** Digests of zeros by their number: a sparse file has few, of chunks of one length. */
const ofZeros = new Map<number, Digest>();
const MOST_ZEROS = 64;

/** The SHA-256 of so many zeros, which is remembered. */
export function digestOfZeros(length: number): Digest {
  let digest = ofZeros.get(length);
  if (digest !== undefined) return digest;
  if (ofZeros.size >= MOST_ZEROS) ofZeros.clear();
  ofZeros.set(length, digest = digestOf(new Uint8Array(length)));
  return digest;
}

/** The SHA-256 of a chunk. */
export function digestOfChunk({ bytes, isHole }: { readonly bytes: Uint8Array; readonly isHole: boolean }): Digest {
  return isHole ? digestOfZeros(bytes.length) : digestOf(bytes);
}

/**
 * A recipe as bytes: 1, and 33 to 35 for each chunk. The recipe MUST be one that `decodeRecipe` accepts.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const recipe = { average: 2048, lengths: [300], digests: ["ab".repeat(32)] };
 * assertEquals([...encodeRecipe(recipe).subarray(0, 4)], [11, 0xac, 0x02, 0xab]);
 * assertEquals(decodeRecipe(encodeRecipe(recipe)), recipe);
 * ```
 */
export function encodeRecipe({ average, lengths, digests }: Recipe): Uint8Array<ArrayBuffer> {
  const size = lengths.reduce((sum, length) => sum + varintBytes(length) + DIGEST_BYTES, 1);
  const bytes = new Uint8Array(size);
  let at = 0;
  bytes[at++] = Math.log2(average);
  for (let i = 0; i < lengths.length; i++) {
    let rest = lengths[i]!;
    for (; rest >= 0x80; rest >>>= 7) bytes[at++] = 0x80 | (rest & 0x7f);
    bytes[at++] = rest;
    at += bytes.subarray(at, at + DIGEST_BYTES).setFromHex(digests[i]!).written;
  }
  return bytes;
}

/**
 * The recipe that `bytes` are the encoding of. Accepts nothing that `encodeRecipe` would write otherwise.
 *
 * @throws {ProtocolError} If they are cut short, the average is not a class (a power of two in `MIN_AVERAGE..MAX_AVERAGE`), a
 * length is 0, above four averages or not minimal, or the file would be larger than `MAX_FILE_BYTES`.
 */
export function decodeRecipe(bytes: Uint8Array): Recipe {
  if (bytes.length === 0) throw new ProtocolError("Cannot decode a recipe: it is empty");
  const average = 2 ** bytes[0]!;
  if (average < MIN_AVERAGE || average > MAX_AVERAGE) {
    throw new ProtocolError(`Cannot decode a recipe: its average is 2 ** ${bytes[0]}`);
  }
  const lengths: number[] = [];
  const digests: Digest[] = [];
  let total = 0;
  for (let at = 1; at < bytes.length;) {
    const length = readVarint(bytes, at, LONGEST * average);
    at += varintBytes(length);
    if (at + DIGEST_BYTES > bytes.length) throw new ProtocolError("Cannot decode a recipe: it is cut short");
    total += length;
    if (total > MAX_FILE_BYTES) throw new ProtocolError("Cannot decode a recipe: the file is too large");
    lengths.push(length);
    digests.push(bytes.subarray(at, at + DIGEST_BYTES).toHex());
    at += DIGEST_BYTES;
  }
  return { average, lengths, digests };
}

/**
 * What identifies a file's content: the digest over its recipe's encoding; of a file of one chunk, which most are, that chunk's
 * digest with its first bit flipped (a second hash would cost more than the file, and without the flip a file could be made
 * that has the bytes of another's encoding and so its id). Files of several chunks differ in it if their averages differ, even
 * where their bytes are the same.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const empty = { average: 2048, lengths: [], digests: [] };
 * assertEquals(contentOf(empty), digestOf(Uint8Array.of(11)));
 * ```
 */
export function contentOf(recipe: Recipe): Digest {
  const [only] = recipe.digests;
  if (only !== undefined && recipe.digests.length === 1) {
    return (parseInt(only[0]!, 16) ^ 8).toString(16) + only.slice(1);
  }
  return digestOf(encodeRecipe(recipe));
}

/**
 * Bytes of the file that a recipe makes.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(sizeOf({ average: 2048, lengths: [1000, 24], digests: ["00".repeat(32), "11".repeat(32)] }), 1024);
 * ```
 */
export function sizeOf(recipe: Recipe): number {
  return recipe.lengths.reduce((sum, length) => sum + length, 0);
}

/**
 * Where each chunk of a file begins, and behind the last one where the file ends (bytes).
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals([...startsOf([1000, 24])], [0, 1000, 1024]);
 * ```
 */
export function startsOf(lengths: readonly number[]): Float64Array {
  const starts = new Float64Array(lengths.length + 1);
  for (let i = 0; i < lengths.length; i++) starts[i + 1] = starts[i]! + lengths[i]!;
  return starts;
}

/** Bytes of `value` in minimal unsigned LEB128; `value` is below 2 ** 28. */
function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : 4;
}

/** The minimal unsigned LEB128 number at `at`, in `1..most`. */
function readVarint(bytes: Uint8Array, at: number, most: number): number {
  let value = 0;
  for (let scale = 1;; scale *= 0x80) {
    const byte = bytes[at++];
    if (byte === undefined) throw new ProtocolError("Cannot decode a recipe: it is cut short");
    value += (byte & 0x7f) * scale;
    if (value > most) throw new ProtocolError(`Cannot decode a recipe: a chunk has more than ${most} bytes`);
    if (byte === 0 && scale > 1) throw new ProtocolError("Cannot decode a recipe: a length is not minimal");
    if (byte < 0x80) break;
    if (scale > most) throw new ProtocolError("Cannot decode a recipe: a length is too long");
  }
  if (value === 0) throw new ProtocolError("Cannot decode a recipe: a chunk is empty");
  return value;
}
