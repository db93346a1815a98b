// Stage "chunk": bytes of a file in, its content-defined chunks out, in one pass.
//
// A boundary lies where the key of the last 32 bytes is the smallest within `average / 2` bytes on both sides. It depends on
// the content around it alone, so the same bytes are cut alike on every machine, whatever the sizes of reads, and boundaries
// agree again right behind an edit. Those of a coarse average are a subset of those of a finer one (forced cuts, which only
// content almost without keys has, aside). The sieve that finds keys is `assembly/sieve.ts`; `tests/support/
// reference_cutter.ts` is the definition. All constants here are part of the protocol.

import { MAX_AVERAGE, MAX_FILE_BYTES, MIN_AVERAGE } from "./limits.ts";
import { SIEVE_WASM } from "./sieve_wasm.ts";

/** Smallest average that `Cutter` accepts (bytes): finer than a recipe's, for the pieces inside a chunk. */
export const FINEST_AVERAGE = 128;

/** Averages below this (bytes) need keys at 1 position in 16 instead of 256. */
const DENSE_BELOW = 1024;
/** Bytes before a position that decide its key. */
const WINDOW = 32;
/** Readable bytes that the sieve wants on both sides of what it scans. */
const ROOM = 64;
const PAGE = 4096;
const WASM_PAGE = 65536;
/** Bytes of the largest read; holds every file that is one chunk. */
const BLOCK = 1 << 20;

/**
 * The class of a file of `size` bytes: the average length of its chunks in bytes, about `2 * sqrt(size)`, a power of two in
 * `MIN_AVERAGE..MAX_AVERAGE`.
 *
 * @param before The class that the file had. It is kept until the size has changed four- to sixteenfold, so that a growing
 * file is seldom cut anew.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(averageFor(100 << 20), 16 << 10);
 * assertEquals(averageFor(400 << 20, 16 << 10), 16 << 10);
 * ```
 */
export function averageFor(size: number, before?: number): number {
  const ideal = 2 * Math.sqrt(size);
  if (before !== undefined && ideal >= before / 2 && ideal < before * 4) return before;
  return Math.min(MAX_AVERAGE, Math.max(MIN_AVERAGE, 2 ** Math.floor(Math.log2(Math.max(1, ideal)))));
}

/**
 * Whether a file of `size` bytes is a single chunk whatever is in it: up to four times its average, which is also the
 * longest that a chunk can be. Cutting it would cost more in
 * digests and bookkeeping than it saves. The rule looks at the whole size only, never at what is left of a larger file.
 *
 * @example Usage
 * ```ts
 * import { assert } from "@std/assert";
 * assert(isOneChunk(8192, 2048));
 * assert(!isOneChunk(8193, 2048));
 * ```
 */
export function isOneChunk(size: number, average: number): boolean {
  return size <= 4 * average;
}

/**
 * Reads at `offset` until `into` is full or the file ends; returns how many bytes, so a short read is the end of the file.
 * It must not keep `into`.
 */
export type ReadAt = (offset: number, into: Uint8Array) => number;

/** How a file is to be cut. */
export interface CutOptions {
  /** Bytes of the file; no byte behind them is read. */
  readonly size: number;
  /** Average length of its chunks in bytes: a power of two in `FINEST_AVERAGE..MAX_AVERAGE`. */
  readonly average: number;
  /**
   * Offset where to begin: a boundary of this very file. The content before it is read again, as far as cuts depend on it.
   * @default {0}
   */
  readonly from?: number;
  /**
   * Where bytes are again that may be other than zero, from an offset on; the file's size where nothing else comes. What lies before
   * is not read where that makes no difference. @default Everything may be.
   */
  readonly dataFrom?: ((offset: number) => number) | undefined;
}

/** A chunk of a file. */
export interface Chunk {
  /** Offset in the file, bytes. */
  readonly offset: number;
  /** The content, `1..4 * average` bytes: a view that the next call of the cutter overwrites. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** It lies in a hole: zeros that were not read. */
  readonly isHole: boolean;
}

interface Sieve {
  readonly memory: WebAssembly.Memory;
  heapBase(): number;
  begin(from: number, cut: number, reach: number, longest: number, dense: number): void;
  feed(address: number, length: number, out: number): number;
  end(out: number): number;
}

let compiled: WebAssembly.Module | undefined;
/** The sieve of a cutter that is over, for the next one: with its memory it takes longer to make than a small file to cut. */
let spare: Sieve | undefined;

function newSieve(): Sieve {
  if (spare) {
    const sieve = spare;
    spare = undefined;
    return sieve;
  }
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(SIEVE_WASM), (char) => char.charCodeAt(0)));
  return new WebAssembly.Instance(compiled, {}).exports as unknown as Sieve;
}

/**
 * Cuts one file after the other into content-defined chunks, with one set of buffers (about 6 to 9 MiB). Not reentrant.
 *
 * Chunks are `1..4 * average` bytes long; on random data the mean is `average` and all but the first and the last are longer
 * than half of it. A file that `isOneChunk` is one chunk, an empty one has none.
 *
 * A short read counts as the end of the file: of a file that shrinks meanwhile the chunks add up to less than `size`, and of
 * one that grows only the first `size` bytes are seen. The caller MUST compare the sum with `size` and look at the file again
 * before it trusts the chunks.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const content = new TextEncoder().encode("a small file");
 * const cutter = new Cutter();
 * cutter.start((offset, into) => {
 *   const part = content.subarray(offset, offset + into.length);
 *   into.set(part);
 *   return part.length;
 * }, { size: content.length, average: 2048 });
 * assertEquals(cutter.next()?.bytes.length, 12);
 * assertEquals(cutter.next(), undefined);
 * ```
 */
export class Cutter implements Disposable {
  /** Made for the first file: many a cutter is never given one. */
  #made: Sieve | undefined;
  #memory = new Uint8Array();
  #readAt: ReadAt = () => 0;
  #size = 0;
  /** Address of the results of the sieve, then of the block that is read; that one page-aligned, or reads are slow. */
  #out = 0;
  #block = 0;
  /** Addresses of the first byte that is kept and behind the last. */
  #mark = 0;
  #fill = 0;
  /** File offsets: of what `#fill` addresses, and of the last cut given out. */
  #offset = 0;
  #cut = 0;
  /** Bytes to read next; grows, so that a few chunks in the midst of a file do not cost a whole block. */
  #ask = 0;
  /** Whether there is nothing more to read, or to sieve. */
  #ended = true;
  #cuts: number[] = [];
  #nextCut = 0;
  #average = 0;
  #dataFrom: CutOptions["dataFrom"];
  /** Chunks of a hole to be given out. */
  #holes = 0;
  #zeros: Uint8Array<ArrayBuffer> | undefined;

  /**
   * Begins with a file, whatever became of the one before.
   *
   * @throws {RangeError} If an option is out of its range.
   */
  start(readAt: ReadAt, { size, average, from = 0, dataFrom }: CutOptions): void {
    if (!Number.isInteger(Math.log2(average)) || average < FINEST_AVERAGE || average > MAX_AVERAGE) {
      throw new RangeError(
        `Cannot cut with the average ${average}: it is not a power of two in ${FINEST_AVERAGE}..${MAX_AVERAGE}`,
      );
    }
    if (!Number.isInteger(size) || size < 0 || size > MAX_FILE_BYTES) throw new RangeError(`Cannot cut ${size} bytes`);
    if (!Number.isInteger(from) || from < 0 || from > size) {
      throw new RangeError(`Cannot cut ${size} bytes from ${from} on`);
    }
    const reach = average / 2, longest = 4 * average;
    this.#readAt = readAt;
    this.#dataFrom = dataFrom;
    this.#average = average;
    this.#holes = 0;
    this.#size = size;
    this.#layOut(reach, longest);
    this.#mark = this.#fill = this.#block;
    this.#cut = from;
    this.#cuts = [];
    this.#nextCut = 0;
    this.#ended = from === size;
    if (isOneChunk(size, average)) {
      this.#offset = from;
      if (!this.#ended) this.#read(size - from);
      this.#ended = true;
      return;
    }
    this.#offset = Math.max(0, from - reach - 2 * WINDOW);
    this.#ask = Math.min(BLOCK, Math.max(4 * PAGE, longest / 2));
    this.#sieve.begin(this.#offset, from, reach, longest, average < DENSE_BELOW ? 1 : 0);
  }

  /**
   * The next chunk in the order of the file, or undefined behind the last. What `readAt` throws comes out here (of a file of
   * one chunk, out of `start`); then only `start` may follow.
   */
  next(): Chunk | undefined {
    for (;;) {
      if (this.#holes > 0) return this.#hole();
      const cut = this.#cuts[this.#nextCut] ?? (this.#ended ? this.#offset : this.#cut);
      if (cut > this.#cut) {
        const offset = this.#cut;
        const at = this.#fill - (this.#offset - offset);
        this.#cut = cut;
        this.#nextCut++;
        return { offset, bytes: this.#memory.subarray(at, at + cut - offset), isHole: false };
      }
      if (this.#ended) return undefined;
      if (!this.#comesHole()) this.#advance();
    }
  }

  /** Gives its buffers back; `start` gets others. Chunks that were given out are not to be used any more. */
  [Symbol.dispose](): void {
    spare = this.#made ?? spare;
    this.#made = undefined;
  }

  get #sieve(): Sieve {
    return this.#made ??= newSieve();
  }

  /**
   * Whether chunks of a hole come next. Zeros have no keys, so where all keys are known that a cut may depend on, every chunk
   * that ends in a hole is as long as can be.
   */
  #comesHole(): boolean {
    const cut = this.#cut, longest = 4 * this.#average;
    // Of less it is not worth to begin anew behind it.
    if (!this.#dataFrom || this.#size - cut < 4 * longest) return false;
    const data = Math.min(this.#size, this.#dataFrom(Math.max(0, cut - WINDOW)));
    const count = Math.floor((data - cut) / longest);
    if (count < 4) return false;
    this.#holes = count;
    if (this.#zeros?.length !== longest) this.#zeros = new Uint8Array(longest);
    return true;
  }

  #hole(): Chunk {
    const chunk = { offset: this.#cut, bytes: this.#zeros!, isHole: true };
    this.#cut += chunk.bytes.length;
    this.#holes--;
    if (this.#holes === 0) {
      this.start(this.#readAt, {
        size: this.#size,
        average: this.#average,
        from: this.#cut,
        dataFrom: this.#dataFrom,
      });
    }
    return chunk;
  }

  /** Moves what is not cut yet, and the context of the sieve, in front of the block; reads and sieves the next block. */
  #advance(): void {
    const keep = Math.min(this.#fill - this.#mark, Math.max(this.#offset - this.#cut, WINDOW));
    this.#memory.copyWithin(this.#block - keep, this.#fill - keep, this.#fill);
    this.#mark = this.#block - keep;
    this.#fill = this.#block;
    const at = this.#fill;
    const got = this.#read(Math.min(this.#ask, this.#size - this.#offset));
    this.#ask = Math.min(BLOCK, 2 * this.#ask);
    let count = this.#sieve.feed(at, got, this.#out);
    if (this.#ended) count += this.#sieve.end(this.#out + count * 8);
    this.#cuts = Array.from(new Float64Array(this.#sieve.memory.buffer, this.#out, count));
    this.#nextCut = 0;
  }

  #read(ask: number): number {
    const got = this.#readAt(this.#offset, this.#memory.subarray(this.#fill, this.#fill + ask));
    this.#fill += got;
    this.#offset += got;
    if (got < ask || this.#offset === this.#size) this.#ended = true;
    return got;
  }

  /** Lays the memory behind the sieve's own out: results, bytes carried over, the block, room to read beyond its end. */
  #layOut(reach: number, longest: number): void {
    const { memory } = this.#sieve;
    this.#out = (this.#sieve.heapBase() + 7) & ~7;
    const results = 8 * (Math.ceil((BLOCK + longest) / (reach + 1)) + 4);
    const carried = 2 * longest + 2 * reach + PAGE + 2 * ROOM;
    this.#block = (this.#out + results + carried + PAGE) & ~(PAGE - 1);
    const missing = Math.ceil((this.#block + BLOCK + ROOM - memory.buffer.byteLength) / WASM_PAGE);
    if (missing > 0) memory.grow(missing);
    if (this.#memory.buffer !== memory.buffer) this.#memory = new Uint8Array(memory.buffer as ArrayBuffer);
  }
}
