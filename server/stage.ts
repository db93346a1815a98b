// The stage: new versions of files are put together in the private folder, from chunks on the wire and chunks that the mirror
// holds, checked against their digests, and are on the disk before anybody commits them. A file that cannot be put together
// is one problem; what else belongs to it is passed over.

import { ProblemError, ProtocolError, reasonOf } from "../core/errors.ts";
import type { FileSystem, ReadableFile, WritableFile } from "../core/fs.ts";
import { joinPath, type RelPath } from "../core/path.ts";
import { contentOf, digestOf } from "../core/recipe.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { Digest, FileEntry, Recipe } from "../core/types.ts";
import type { ClientMessage } from "../core/wire.ts";
import type { Metadata, Present } from "./metadata.ts";
import { pathOrKept, STAGE_DIR } from "./places.ts";

/** A file that is whole and waits to be committed. */
export interface Staged {
  readonly path: RelPath;
  readonly entry: FileEntry;
  readonly recipe: Recipe;
  /** Where it lies. */
  readonly at: RelPath;
}

/** Why there is no staged file. */
export interface NotStaged {
  readonly path: RelPath;
  readonly reason: string;
}

type Begin = ClientMessage & { type: "file" };

interface Assembly {
  readonly begin: Begin;
  readonly at: RelPath;
  readonly file: WritableFile;
  readonly lengths: number[];
  readonly digests: Digest[];
  /** Where in the file itself a chunk lies. */
  readonly own: Map<Digest, number>;
  base: { readonly recipe: Recipe; readonly starts: number[]; readonly path: RelPath } | undefined;
  size: number;
}

/** Of a file with holes, zeros are left out in blocks of so many bytes. */
const HOLE_BYTES = 4096;
/** Up to so many files a commit are made durable one by one. */
const FEW_FILES = 8;

/** Puts files together, one after the other. */
export class Stage {
  readonly #fs: FileSystem;
  readonly #index: TreeIndex;
  readonly #metadata: Metadata;
  readonly #fsync: boolean;
  readonly #name: string;
  readonly #buffer = new Uint8Array(new WebAssembly.Memory({ initial: 17 }).buffer); // page-aligned: faster reads
  #next = 0;
  /** What every new file here has. */
  #present: Present | undefined;
  /** Files staged since `sync`, and whether one of them may not be on the disk yet. */
  #staged = 0;
  #unsynced = false;
  #now: Assembly | undefined;
  #failed: { readonly path: RelPath; readonly reason: string } | undefined;
  #source: { readonly path: RelPath; readonly file: ReadableFile } | undefined;
  /** Files of the mirror that were not what the index says. */
  readonly wrong = new Set<RelPath>();

  /**
   * @param fsync Whether what is staged must be on the disk when `sync` returns.
   * @param name No other stage's, ever: a power cut may bring back an old journal, which must not find other files under the
   * names that it knows.
   */
  constructor(fs: FileSystem, index: TreeIndex, metadata: Metadata, { fsync, name }: { fsync: boolean; name: string }) {
    this.#fs = fs;
    this.#index = index;
    this.#metadata = metadata;
    this.#fsync = fsync;
    this.#name = name;
  }

  /** Begins a file. @throws {ProtocolError} If one is begun already. */
  begin(begin: Begin): void {
    if (this.#now || this.#failed) throw new ProtocolError("A file begins within another");
    this.#attempt(begin.path, () => {
      const at = joinPath(STAGE_DIR, `${this.#name}-${this.#next++}`);
      // Nobody else reads it before it has its own mode.
      const file = this.#fs.createFile(at, begin.attributes.mode & 0o777 | 0o600);
      this.#now = { begin, at, file, lengths: [], digests: [], own: new Map(), base: undefined, size: 0 };
    });
  }

  /** A small file in one go. @throws {ProtocolError} If its parts do not fit together, or a file is begun already. */
  whole(message: ClientMessage & { type: "whole" }): Staged | NotStaged {
    const { path, attributes, sparse, average, lengths, bytes, content } = message;
    this.begin({ type: "file", path, attributes, sparse, size: bytes.length, average, base: path });
    this.#add((now) => {
      for (const length of lengths) this.#note(now, digestOf(bytes.subarray(now.size, now.size + length)), length);
      write(now.file, bytes, 0, sparse);
    });
    return this.end(content);
  }

  /** The next chunk, in full. */
  literal(bytes: Uint8Array): void {
    this.#add((now) => this.#append(now, bytes, digestOf(bytes)));
  }

  /** The next chunks are `count` of the base's, from number `index` on. */
  keep(index: number, count: number): void {
    this.#add((now) => {
      const base = now.base ??= this.#baseOf(now.begin.base);
      if (index + count > base.recipe.lengths.length) {
        throw new ProtocolError("A chunk is kept that the base does not have");
      }
      for (let i = index; i < index + count; i++) {
        const bytes = this.#read(base.path, base.starts[i]!, base.recipe.lengths[i]!, base.recipe.digests[i]!);
        this.#append(now, bytes, base.recipe.digests[i]!);
      }
    });
  }

  /** The next chunk is one that this file or another of the mirror has already. */
  known(digest: Digest, length: number): void {
    this.#add((now) => {
      const own = now.own.get(digest);
      if (own !== undefined) return this.#append(now, this.#read(now.at, own, length, digest), digest);
      const place = this.#index.chunk(digest);
      const path = place && pathOrKept(this.#index, place.id);
      if (!place || path === undefined) {
        throw new ProblemError("a part of it is not in the mirror any more; it is sent again");
      }
      this.#append(now, this.#read(path, place.start, length, digest), digest);
    });
  }

  /**
   * Ends the file.
   * @returns The staged file, or why there is none.
   * @throws {ProtocolError} If no file was begun.
   */
  end(content: Digest): Staged | NotStaged {
    let staged: Staged | undefined;
    this.#add((now) => {
      const { begin, at, file } = now;
      const { average, size, attributes, path } = begin;
      const recipe = { average, lengths: now.lengths, digests: now.digests };
      if (now.size !== size || contentOf(recipe) !== content) {
        throw new ProblemError("it did not arrive as it was sent; it is sent again");
      }
      const present = this.#present ??= { owner: this.#fs.lstat(at)!, xattrs: "" };
      this.#metadata.apply(at, "file", attributes, present, file);
      if (this.#fsync) this.#sync(file);
      file[Symbol.dispose]();
      this.#now = undefined;
      staged = { path, recipe, at, entry: { kind: "file", ...attributes, size, average, content } };
    });
    this.#closeSource();
    const failed = this.#failed;
    this.#failed = undefined;
    return staged ?? failed!;
  }

  /** Makes sure that all files that have been staged are on the disk. */
  sync(): void {
    if (this.#unsynced) this.#fs.syncAll();
    this.#unsynced = false;
    this.#staged = 0;
  }

  /** Forgets the file that was begun, if any, and closes what is open. */
  abort(): void {
    this.#closeSource();
    this.#discard();
    this.#failed = undefined;
  }

  /** One call a file is the quicker way for a few, one for the whole file system for many. */
  #sync(file: WritableFile): void {
    this.#staged++;
    if (this.#staged <= FEW_FILES || !this.#fs.features.syncAll) file.sync();
    else this.#unsynced = true;
  }

  #add(what: (now: Assembly) => void): void {
    if (this.#failed) return;
    const now = this.#now;
    if (!now) throw new ProtocolError("A part of a file comes before its beginning");
    this.#attempt(now.begin.path, () => what(now));
  }

  #attempt(path: RelPath, what: () => void): void {
    try {
      what();
    } catch (error) {
      this.#discard();
      if (error instanceof ProtocolError) throw error;
      this.#failed = { path, reason: reasonOf(error) };
    }
  }

  #append(now: Assembly, bytes: Uint8Array, digest: Digest): void {
    const at = now.size;
    now.own.set(digest, at);
    this.#note(now, digest, bytes.length);
    write(now.file, bytes, at, now.begin.sparse);
  }

  /** Notes the next chunk of the recipe. */
  #note(now: Assembly, digest: Digest, length: number): void {
    if (length === 0 || length > 4 * now.begin.average) throw new ProtocolError("A chunk has an impossible length");
    if (now.size + length > now.begin.size) throw new ProtocolError("A file is longer than was said");
    now.size += length;
    now.lengths.push(length);
    now.digests.push(digest);
  }

  #baseOf(path: RelPath): NonNullable<Assembly["base"]> {
    const node = this.#index.find(path);
    const recipe = node?.entry.kind === "file" ? this.#index.recipe(node.id) : undefined;
    if (!recipe) {
      throw new ProblemError("the version that it was based on is not in the mirror any more; it is sent again");
    }
    const starts: number[] = [];
    recipe.lengths.reduce((start, length) => (starts.push(start), start + length), 0);
    return { recipe, starts, path };
  }

  /** Reads a chunk of a file of ours and makes sure that it is what it should be. */
  #read(path: RelPath, start: number, length: number, digest: Digest): Uint8Array {
    if (this.#source?.path !== path) {
      this.#closeSource();
      this.#source = { path, file: this.#fs.openFile(path) };
    }
    const bytes = this.#buffer.subarray(0, length);
    if (this.#source.file.readAt(start, bytes) !== length || digestOf(bytes) !== digest) {
      this.wrong.add(path);
      throw new ProblemError("a part of the mirror is not as it was; it is read anew");
    }
    return bytes;
  }

  #closeSource(): void {
    this.#source?.file[Symbol.dispose]();
    this.#source = undefined;
  }

  #discard(): void {
    if (!this.#now) return;
    this.#now.file[Symbol.dispose]();
    try {
      this.#fs.unlink(this.#now.at);
    } catch {
      // It stays in the private folder until the next start.
    }
    this.#now = undefined;
  }
}

/** Writes `bytes`, which come at `offset` of the file; with `sparse`, blocks of zeros become holes. */
function write(file: WritableFile, bytes: Uint8Array, offset: number, sparse: boolean): void {
  if (!sparse) return file.write(bytes);
  // Holes are whole blocks of the file, but for the last one.
  const blockEnd = (at: number) => Math.min(bytes.length, at + HOLE_BYTES - (offset + at) % HOLE_BYTES);
  for (let at = 0, to; at < bytes.length; at = to) {
    const hole = isZeros(bytes, at, to = blockEnd(at));
    while (to < bytes.length && isZeros(bytes, to, blockEnd(to)) === hole) to = blockEnd(to);
    if (hole) file.skip(to - at);
    else file.write(bytes.subarray(at, to));
  }
}

function isZeros(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}
