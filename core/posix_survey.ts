// A survey of a directory as the POSIX layer makes it: what statx says of each entry is copied, not decoded, and hashed in one go.
// Where the print is known, which after a restart is nearly everywhere, that is all; only directories are made objects of.

import type { Listed, Survey } from "./fs.ts";
import { C } from "./libc.ts";
import { textIn } from "./path.ts";
import type { PosixDirs } from "./posix_dirs.ts";
import { modeAt, statAt, STATX } from "./posix_stat.ts";
import { digestOf } from "./recipe.ts";
import type { Digest } from "./types.ts";

/** What is in the print of an entry before its name, which ends with a NUL. */
const PRINTED = STATX.what.bytes + STATX.times.bytes;
/** What is copied beside it: the disk may have more or less for a file long after it has changed. */
const BESIDE = STATX.blocks.bytes + STATX.device.bytes;
/** Prints begin at a multiple of this, as words are copied. */
const WORD = 4;

/** Gathers the entries of one directory after the other. */
export class PosixSurvey {
  readonly #dirs: PosixDirs;
  readonly #memory: Int32Array;
  #printed = new Room(1 << 16);
  #beside = new Room(1 << 14);
  #length = 0;
  #count = 0;
  /** Where the prints begin and their names end. */
  #places: number[] = [];

  constructor(dirs: PosixDirs) {
    this.#dirs = dirs;
    this.#memory = new Int32Array(dirs.bytes.buffer);
  }

  clear(): void {
    this.#length = this.#count = 0;
    this.#places = [];
  }

  /** Adds the entry of which `statx` has just spoken, and whose name is at `name` to `end` in the scratch memory. */
  add(name: number, end: number): void {
    const { bytes, struct } = this.#dirs;
    const start = this.#length, nameAt = start + PRINTED, after = nameAt + end - name;
    const next = after + WORD - after % WORD;
    this.#printed.ensure(next);
    this.#beside.ensure((this.#count + 1) * BESIDE);
    const { words, bytes: printed } = this.#printed;
    this.#copy(struct + STATX.what.at, STATX.what.bytes, words, start);
    this.#copy(struct + STATX.times.at, STATX.times.bytes, words, start + STATX.what.bytes);
    for (let from = name, to = nameAt; from < end; from++, to++) printed[to] = bytes[from]!;
    for (let at = after; at < next; at++) printed[at] = 0;
    const beside = this.#count * BESIDE;
    this.#copy(struct + STATX.blocks.at, STATX.blocks.bytes, this.#beside.words, beside);
    this.#copy(struct + STATX.device.at, STATX.device.bytes, this.#beside.words, beside + STATX.blocks.bytes);
    this.#places.push(start, after);
    this.#length = next;
    this.#count++;
  }

  /** What was gathered. */
  survey(known: Digest | undefined): Survey {
    const print = digestOf(this.#printed.bytes.subarray(0, this.#length));
    const isKnown = print === known;
    const entries: Listed[] = [];
    for (let i = 0; i < this.#count; i++) if (!isKnown || this.#isDir(i)) entries.push(this.#entry(i));
    return { print, isKnown, entries };
  }

  #isDir(i: number): boolean {
    return (modeAt(this.#printed.view, this.#places[2 * i]!) & C.S_IFMT) === C.S_IFDIR;
  }

  #entry(i: number): Listed {
    const start = this.#places[2 * i]!, end = this.#places[2 * i + 1]!, beside = i * BESIDE;
    const stat = statAt({
      view: this.#printed.view,
      what: start,
      times: start + STATX.what.bytes,
      beside: this.#beside.view,
      blocks: beside,
      device: beside + STATX.blocks.bytes,
    });
    return { name: textIn(this.#printed.bytes, start + PRINTED, end), stat };
  }

  #copy(from: number, bytes: number, to: Int32Array, at: number): void {
    const memory = this.#memory, last = (from + bytes) / WORD;
    for (let i = from / WORD, j = at / WORD; i < last; i++, j++) to[j] = memory[i]!;
  }
}

/** Bytes, as what they are and as words, that grow. */
class Room {
  bytes: Uint8Array<ArrayBuffer>;
  words: Int32Array;
  view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.words = new Int32Array(this.bytes.buffer);
    this.view = new DataView(this.bytes.buffer);
  }

  ensure(size: number): void {
    if (size <= this.bytes.length) return;
    const larger = new Room(2 * size);
    larger.bytes.set(this.bytes);
    Object.assign(this, larger);
  }
}
