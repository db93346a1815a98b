// What the mirror holds, as material for new versions: whole files as bases, and chunks by their digest wherever they are.
// Nothing here is trusted: what is read is checked against the digest it should have by whoever uses it.

import { ProblemError } from "../core/errors.ts";
import type { FileSystem, ReadableFile } from "../core/fs.ts";
import { MAX_AVERAGE } from "../core/limits.ts";
import type { RelPath } from "../core/path.ts";
import { digestOf, startsOf } from "../core/recipe.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { Digest, Recipe } from "../core/types.ts";
import type { Leftovers } from "./leftovers.ts";
import { keptNode, pathOrKept } from "./places.ts";

/** Bytes of the longest chunk. */
export const MAX_CHUNK_BYTES = 4 * MAX_AVERAGE;
/** So many files are remembered with their recipes, and so many kept open. */
const REMEMBERED = 8;
const WASM_PAGE = 65536;

/** A file of the mirror. */
export interface Holder {
  readonly path: RelPath;
  readonly recipe: Recipe;
  /** Offset of each of its chunks and behind the last one its size, bytes. */
  readonly starts: Float64Array;
  readonly size: number;
}

interface Remembered extends Holder {
  /** Number of the chunk with a digest; made when it is first asked for. */
  places: Map<Digest, number> | undefined;
}

/** Files and chunks of the mirror, while one new version is put together. */
export class Holdings {
  readonly #fs: FileSystem;
  readonly #index: TreeIndex;
  readonly #leftovers: Leftovers;
  /** Page-aligned: reads are faster so. */
  readonly #buffer = new Uint8Array(new WebAssembly.Memory({ initial: MAX_CHUNK_BYTES / WASM_PAGE }).buffer);
  readonly #holders = new Map<RelPath, Remembered>();
  readonly #open = new Map<RelPath, ReadableFile>();
  /** Files of the mirror that were not what the index says. */
  readonly wrong = new Set<RelPath>();

  constructor(fs: FileSystem, index: TreeIndex, leftovers: Leftovers) {
    this.#fs = fs;
    this.#leftovers = leftovers;
    this.#index = index;
  }

  /** Forgets what was looked up: what comes next may find another mirror. */
  close(): void {
    for (const file of this.#open.values()) file[Symbol.dispose]();
    this.#open.clear();
    this.#holders.clear();
  }

  /** The file at `path` and what it is made of, if the mirror has such. */
  holder(path: RelPath): Holder | undefined {
    return this.#holder(path);
  }

  /** Whether `find` would find this chunk. */
  has(digest: Digest): boolean {
    return this.#index.holderOf(digest) !== undefined || this.#leftovers.has(digest);
  }

  /** Where a chunk is that the mirror holds anywhere: the only place where this is looked up. */
  find(digest: Digest): { readonly path: RelPath; readonly start: number } | undefined {
    const id = this.#index.holderOf(digest);
    const path = id === undefined ? undefined : pathOrKept(this.#index, id);
    const holder = path === undefined ? undefined : this.#holder(path, this.#index.get(id!));
    if (!holder) return this.#leftovers.find(digest);
    holder.places ??= new Map(holder.recipe.digests.map((each, i) => [each, i]));
    const number = holder.places.get(digest);
    return number === undefined ? this.#leftovers.find(digest) : { path: holder.path, start: holder.starts[number]! };
  }

  /** A range of the file at `path`, at most a longest chunk; a view that the next call overwrites. */
  read(path: RelPath, start: number, length: number): Uint8Array {
    const bytes = this.#buffer.subarray(0, length);
    if (this.file(path).readAt(start, bytes) !== length) this.#mistaken(path);
    return bytes;
  }

  /** Makes sure that what came of a file of the mirror is what it should be. */
  check(path: RelPath, bytes: Uint8Array, digest: Digest): void {
    this.expect(path, digestOf(bytes), digest);
  }

  /** The same for one whose digest is known: makes sure that it `is` what it `should` be. */
  expect(path: RelPath, is: Digest, should: Digest): void {
    if (is !== should) this.#mistaken(path);
  }

  /** The file at `path`, open until others are or `close`. */
  file(path: RelPath): ReadableFile {
    const open = this.#open.get(path);
    if (open) return open;
    if (this.#open.size >= REMEMBERED) {
      for (const other of this.#open.values()) other[Symbol.dispose]();
      this.#open.clear();
    }
    try {
      const file = this.#fs.openFile(path);
      this.#open.set(path, file);
      return file;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      this.#mistaken(path);
    }
  }

  #mistaken(path: RelPath): never {
    const kept = keptNode(this.#index, path);
    // Nobody reads the history anew for its chunks, nor what is left of a file.
    if (kept) this.#index.remove(kept.id);
    else if (this.#leftovers.holds(path)) this.#leftovers.drop(path);
    else this.wrong.add(path);
    this.#holders.delete(path);
    throw new ProblemError("a part of the mirror is not as it was; it is read anew");
  }

  #holder(path: RelPath, node = this.#index.find(path)): Remembered | undefined {
    const known = this.#holders.get(path);
    if (known) return known;
    const recipe = node?.entry.kind === "file" ? this.#index.recipe(node.id) : undefined;
    if (!recipe) return undefined;
    const starts = startsOf(recipe.lengths);
    const holder = { path, recipe, starts, size: starts.at(-1)!, places: undefined };
    if (this.#holders.size >= REMEMBERED) this.#holders.clear();
    this.#holders.set(path, holder);
    return holder;
  }
}
