// What arrived of files before a connection was cut, or either side went down: it is not sent again. A file that was being put
// together, or that was never committed, is set aside; its chunks are found by cutting it again, so nothing has to be noted while
// it is written, and what a power cut made of it does no harm.

import type { Clock } from "../core/clock.ts";
import { Cutter } from "../core/chunker.ts";
import { type FileSystem, type Listed, removeTree } from "../core/fs.ts";
import { MAX_AVERAGE, MIN_AVERAGE } from "../core/limits.ts";
import { joinPath, type RelPath } from "../core/path.ts";
import { digestOf } from "../core/recipe.ts";
import type { Digest } from "../core/types.ts";
import { LEFT_DIR, STAGE_DIR } from "./places.ts";

/** Less (bytes) is sent again. */
export const LEFT_FROM_BYTES = 1 << 20;
/** How long it is kept (ms), and how much of it: so many files, and so many bytes unless it is a single file. */
const KEPT_MS = 24 * 3_600_000;
const MOST_FILES = 16;
const MOST_BYTES = 16 * 2 ** 30;

/** The name of a staged file: what comes after the dot is how it can be cut again. */
export function stagedName(name: string, average: number): string {
  return `${name}.${Math.log2(average)}`;
}

/** Sets aside what is of use in the stage, which nobody else has any more. */
export function setAside(fs: FileSystem): void {
  if (fs.lstat(STAGE_DIR)?.kind !== "dir") return;
  for (const { name, stat } of fs.list(STAGE_DIR)) {
    if (stat.kind !== "file" || stat.size < LEFT_FROM_BYTES || averageOf(name) === undefined) continue;
    if (!fs.lstat(LEFT_DIR)) fs.mkdir(LEFT_DIR, 0o700);
    fs.rename(joinPath(STAGE_DIR, name), joinPath(LEFT_DIR, name));
  }
}

/** Chunks of what was set aside. */
export class Leftovers {
  readonly #fs: FileSystem;
  readonly #clock: Clock;
  readonly #chunks = new Map<RelPath, readonly Digest[]>();
  readonly #places = new Map<Digest, { readonly path: RelPath; readonly start: number }>();
  /** What the file under way has taken chunks from, and what files that were put together have. */
  readonly #taken = new Set<RelPath>();
  readonly #used = new Set<RelPath>();

  constructor(fs: FileSystem, clock: Clock) {
    this.#fs = fs;
    this.#clock = clock;
  }

  /** Whether there is anything. */
  get any(): boolean {
    return this.#places.size > 0;
  }

  /** Looks at what was set aside since it was last called, and removes what is old or too much. */
  async read(breathe: () => Promise<void> | undefined): Promise<void> {
    if (this.#fs.lstat(LEFT_DIR)?.kind !== "dir") return;
    const newest = this.#fs.list(LEFT_DIR).sort((a, b) => a.stat.mtimeNs < b.stat.mtimeNs ? 1 : -1);
    let bytes = 0, files = 0;
    for (const listed of newest) {
      const path = joinPath(LEFT_DIR, listed.name);
      const age = this.#clock.date() - Number(listed.stat.mtimeNs / 1_000_000n);
      bytes += listed.stat.size;
      files++;
      if (age > KEPT_MS || files > MOST_FILES || files > 1 && bytes > MOST_BYTES) this.drop(path);
      else if (!this.#chunks.has(path)) await this.#cut(path, listed, breathe);
    }
  }

  /** Where a chunk with this digest was: whoever reads it there checks it. */
  find(digest: Digest): { readonly path: RelPath; readonly start: number } | undefined {
    const place = this.#places.get(digest);
    if (place) this.#taken.add(place.path);
    return place;
  }

  has(digest: Digest): boolean {
    return this.#places.has(digest);
  }

  /** Whether `path` is one of them. */
  holds(path: RelPath): boolean {
    return this.#chunks.has(path);
  }

  /** A file is put together, or not: what it took is of no more use once it is committed. */
  ended(whole: boolean): void {
    if (whole) { for (const path of this.#taken) this.#used.add(path); }
    this.#taken.clear();
  }

  /** What was put together is in the mirror now. */
  committed(): void {
    for (const path of this.#used) this.drop(path);
    this.#used.clear();
  }

  /** Removes one that nobody uses now. @returns Whether there was one. */
  makeRoom(): boolean {
    for (const path of this.#chunks.keys()) {
      if (this.#taken.has(path) || this.#used.has(path)) continue;
      this.drop(path);
      return true;
    }
    return false;
  }

  /** Removes one. */
  drop(path: RelPath): void {
    for (const digest of this.#chunks.get(path) ?? []) {
      if (this.#places.get(digest)?.path === path) this.#places.delete(digest);
    }
    this.#chunks.delete(path);
    removeTree(this.#fs, path);
  }

  async #cut(path: RelPath, { name, stat }: Listed, breathe: () => Promise<void> | undefined): Promise<void> {
    const average = stat.kind === "file" ? averageOf(name) : undefined;
    if (average === undefined) return this.drop(path);
    using file = this.#fs.openFile(path);
    using cutter = new Cutter();
    const digests: Digest[] = [];
    cutter.start((offset, into) => file.readAt(offset, into), { size: stat.size, average });
    for (let chunk = cutter.next(); chunk; chunk = cutter.next()) {
      const digest = digestOf(chunk.bytes);
      digests.push(digest);
      this.#places.set(digest, { path, start: chunk.offset });
      const paused = breathe();
      if (paused) await paused;
    }
    this.#chunks.set(path, digests);
  }
}

function averageOf(name: string): number | undefined {
  const average = 2 ** Number(/\.(\d+)$/.exec(name)?.[1] ?? NaN);
  return average >= MIN_AVERAGE && average <= MAX_AVERAGE ? average : undefined;
}
