// The stage: new versions of files are put together in the private folder, from chunks on the wire and chunks that the mirror
// holds, checked against their digests, and are on the disk before anybody commits them. A file that cannot be put together
// is one problem; what else belongs to it is passed over.

import { isOfPath, ProblemError, ProtocolError, reasonOf } from "../core/errors.ts";
import type { FileSystem, Stat, WritableFile } from "../core/fs.ts";
import { MAX_CHUNKS, MAX_SKETCHED, MAX_SKETCHED_BYTES } from "../core/limits.ts";
import { sketch, type Sketched } from "../core/patch.ts";
import { joinPath, type RelPath } from "../core/path.ts";
import { contentOf, digestOf, digestOfZeros } from "../core/recipe.ts";
import type { StartHasher } from "../core/second_thread.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { Digest, FileEntry, Recipe } from "../core/types.ts";
import type { ClientMessage, PatchPart } from "../core/wire.ts";
import { Checking } from "./checking.ts";
import { GroupSync } from "./group_sync.ts";
import { type Holder, Holdings, MAX_CHUNK_BYTES } from "./holdings.ts";
import { writeParts } from "./holes.ts";
import { LEFT_FROM_BYTES, type Leftovers, stagedName } from "./leftovers.ts";
import type { Metadata, Present } from "./metadata.ts";
import { STAGE_DIR } from "./places.ts";
import { Sharing } from "./share.ts";
import { type StagedDir, StagedDirs } from "./staged_dirs.ts";

/** A file that is whole and waits to be committed. */
export interface Staged {
  readonly path: RelPath;
  readonly entry: FileEntry;
  readonly recipe: Recipe;
  /** Where it lies, its inode number, and what else is known of it there. */
  readonly at: RelPath;
  readonly ino: bigint;
  readonly staged: Stat;
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
  /** What `keep` refers to now. */
  base: RelPath;
  size: number;
  /** Whether what was kept came out right; made with the first of it. */
  checking?: Checking;
}

/** How files are put together. */
export interface StageOptions {
  /** Whether what is staged must be on the disk when `sync` returns. */
  readonly fsync: boolean;
  /**
   * No other stage's, ever: a power cut may bring back an old journal, which must not find other files under the names that it
   * knows.
   */
  readonly name: string;
  /** Makes room for so many bytes on a full disk. @returns Whether there is any. */
  readonly makeRoom: (bytes: number) => boolean;
  /** What arrived before. */
  readonly leftovers: Leftovers;
  /** Starts a thread that shares the work on a large file, where there can be one. */
  readonly secondThread?: StartHasher | undefined;
  /** Why a file of so many bytes may not be staged, if it may not. */
  readonly refusalOf?: (path: RelPath, size: number) => string | undefined;
}

/** Puts files together, one after the other. */
export class Stage {
  readonly #fs: FileSystem;
  readonly #holdings: Holdings;
  readonly #sharing: Sharing;
  readonly #leftovers: Leftovers;
  readonly #metadata: Metadata;
  readonly #fsync: boolean;
  readonly #name: string;
  readonly #makeRoom: (bytes: number) => boolean;
  readonly #secondThread: StageOptions["secondThread"];
  readonly #refusalOf: StageOptions["refusalOf"];
  #next = 0;
  /** What every new file here has, also in a directory here, which inherits nothing that a file would inherit from it. */
  #present: Present | undefined;
  /** Directories that are to be made by this commit. */
  readonly dirs: StagedDirs;
  readonly #synced: GroupSync;
  #now: Assembly | undefined;
  #failed: { readonly path: RelPath; readonly reason: string } | undefined;

  constructor(fs: FileSystem, index: TreeIndex, metadata: Metadata, options: StageOptions) {
    const { fsync, name, leftovers, makeRoom, refusalOf, secondThread } = options;
    this.#secondThread = secondThread;
    this.#refusalOf = refusalOf;
    this.#fs = fs;
    this.#leftovers = leftovers;
    this.#holdings = new Holdings(fs, index, leftovers);
    this.#sharing = new Sharing(this.#holdings);
    this.#synced = new GroupSync(fs);
    this.dirs = new StagedDirs(fs);
    this.#metadata = metadata;
    this.#fsync = fsync;
    this.#name = name;
    this.#makeRoom = makeRoom;
  }

  /** Files of the mirror that were found not to be what the index says, since the last commit. */
  get wrong(): ReadonlySet<RelPath> {
    return this.#holdings.wrong;
  }

  /** Whether the mirror holds a chunk with this digest. */
  holds(digest: Digest): boolean {
    return this.#holdings.has(digest);
  }

  /**
   * A directory is to be made at `path`, and small files in it.
   * @returns What it is now; undefined where it is to be made at its place.
   */
  makeDir(path: RelPath, mode: number): StagedDir | undefined {
    return this.dirs.make(path, mode, this.#newName());
  }

  /** What was staged has been committed. */
  committed(): void {
    this.dirs.close();
    this.#holdings.close();
    this.#holdings.wrong.clear();
  }

  /** Begins a file. @throws {ProtocolError} If one is begun already. */
  begin(begin: Begin): void {
    this.#begin(begin, undefined);
  }

  /** @param place Where to put it together, if that matters. */
  #begin(begin: Begin, place: RelPath | undefined): void {
    if (this.#now || this.#failed) throw new ProtocolError("A file begins within another");
    this.#attempt(begin.path, () => {
      const refusal = this.#refusalOf?.(begin.path, begin.size);
      if (refusal) throw new ProblemError(refusal);
      const at = place ?? joinPath(STAGE_DIR, stagedName(this.#newName(), begin.average));
      // Nobody else reads it before it has its own mode.
      const file = this.#withRoom(0, () => this.#fs.createFile(at, begin.attributes.mode & 0o777 | 0o600));
      this.#now = { begin, at, file, lengths: [], digests: [], own: new Map(), base: begin.base, size: 0 };
    });
    this.dirs.take(begin.path);
  }

  #newName(): string {
    return `${this.#name}-${this.#next++}`;
  }

  /** A small file in one go. @throws {ProtocolError} If its parts do not fit together, or a file is begun already. */
  whole(message: ClientMessage & { type: "whole" }): Staged | NotStaged {
    const { path, attributes, sparse, average, lengths, bytes, content } = message;
    const begin = { type: "file", path, attributes, sparse, size: bytes.length, average, base: path } as const;
    this.#begin(begin, this.dirs.placeFor(path));
    this.#add((now) => {
      for (const length of lengths) this.#note(now, digestOf(bytes.subarray(now.size, now.size + length)), length);
      this.#write(now, bytes, 0);
    });
    return this.end(content);
  }

  /** The next chunk, in full. */
  literal(bytes: Uint8Array): void {
    this.#add((now) => this.#append(now, bytes, digestOf(bytes)));
  }

  /** What is kept from here on is kept of the file at `path`. */
  base(path: RelPath): void {
    this.#add((now) => now.base = path);
  }

  /** The next chunks are `count` of the base's, from number `index` on. */
  keep(index: number, count: number): void {
    this.#add((now) => {
      const { path, recipe: { lengths, digests }, starts } = this.#baseOf(now.base, index, count);
      const from = now.size;
      for (let i = index; i < index + count; i++) this.#note(now, digests[i]!, lengths[i]!);
      const start = starts[index]!, size = now.size - from;
      // What is sparse may become so only now.
      const shared = !now.begin.sparse &&
        this.#sharing.append({ path, start, length: size }, now.file, from, (bytes) => this.#write(now, bytes, from));
      now.checking ??= new Checking(this.#holdings, now, this.#secondThread);
      for (let i = index, to, at = 0; i < index + count; i = to) {
        // As many at a time as the buffer holds.
        let length = lengths[to = i]!;
        if (!shared && isLongestZeros(now, digests[i]!, length)) {
          this.#zeros(now, length, from + at);
          at += length;
          to++;
          continue;
        }
        while (++to < index + count && length + lengths[to]! <= MAX_CHUNK_BYTES) length += lengths[to]!;
        const bytes = shared ? undefined : this.#holdings.read(path, start + at, length);
        if (bytes) this.#write(now, bytes, from + at);
        // What is checked is what will be there.
        const written = { from: path, offset: from + at, lengths: lengths.slice(i, to), digests: digests.slice(i, to) };
        now.checking.check(written, bytes);
        at += length;
      }
    });
  }

  /** The next chunk is one that this file or another of the mirror has already. */
  known(digest: Digest, length: number): void {
    this.#add((now) => {
      if (isLongestZeros(now, digest, length)) {
        this.#note(now, digest, length);
        return this.#zeros(now, length, now.size - length);
      }
      const own = now.own.get(digest);
      const place = own === undefined ? this.#holdings.find(digest) : { path: now.at, start: own };
      if (!place) throw new ProblemError("a part of it is not in the mirror any more; it is sent again");
      const bytes = this.#holdings.read(place.path, place.start, length);
      this.#holdings.check(place.path, bytes, digest);
      this.#append(now, bytes, digest);
    });
  }

  /** The next chunk is made of ranges of the file's first base and of new bytes. */
  patch(digest: Digest, parts: readonly PatchPart[]): void {
    this.#add((now) => {
      const { path, size } = this.#holdings.holder(now.begin.base) ?? gone();
      const made = new Uint8Array(parts.reduce((sum, part) => sum + lengthOf(part), 0));
      let at = 0;
      for (const part of parts) {
        if ("offset" in part && part.offset + part.length > size) throw new ProtocolError("A patch reaches too far");
        made.set("offset" in part ? this.#holdings.read(path, part.offset, part.length) : part.bytes, at);
        at += lengthOf(part);
      }
      this.#holdings.check(path, made, digest);
      this.#append(now, made, digest);
    });
  }

  /**
   * Of what pieces `count` chunks of the file at `path` are, from number `index` on; none where it is not what it was.
   * @throws {ProtocolError} If they are too many, or the file does not have them.
   */
  sketch(path: RelPath, index: number, count: number): Sketched[] {
    try {
      const { recipe: { average, lengths }, starts } = this.#baseOf(path, index, count);
      const size = starts[index + count]! - starts[index]!;
      if (count > MAX_SKETCHED || size > MAX_SKETCHED_BYTES) throw new ProtocolError("A sketch of too much");
      return lengths.slice(index, index + count).flatMap((length, i) =>
        sketch(this.#holdings.read(path, starts[index + i]!, length), average)
      );
    } catch (error) {
      if (!isOfPath(error)) throw error;
      return [];
    }
  }

  /**
   * Ends the file.
   * @returns The staged file, or why there is none.
   * @throws {ProtocolError} If no file was begun.
   */
  end(content: Digest): Staged | NotStaged {
    let staged: Staged | undefined;
    this.#add((now) => {
      const { begin, at, file, checking } = now;
      const { average, size, attributes, path } = begin;
      checking?.finish();
      checking?.[Symbol.dispose]();
      const recipe = { average, lengths: now.lengths, digests: now.digests };
      if (now.size !== size || contentOf(recipe) !== content) {
        throw new ProblemError("it did not arrive as it was sent; it is sent again");
      }
      const present = this.#present ??= { owner: this.#fs.lstat(at)!, xattrs: "" };
      this.#metadata.applyTo(file, at, attributes, present);
      if (this.#fsync) this.#synced.add(file);
      const stat = file.finish();
      this.#now = undefined;
      const entry = { kind: "file", ...attributes, size, average, content } as const;
      staged = { path, recipe, at, ino: stat.ino, staged: stat, entry };
    });
    this.#holdings.close();
    this.#leftovers.ended(staged !== undefined);
    const failed = this.#failed;
    this.#failed = undefined;
    return staged ?? failed!;
  }

  /** Makes sure that all files that have been staged are on the disk. */
  sync(): void {
    this.#synced.finish();
  }

  /** Forgets the file that was begun, if any, and closes what is open. */
  abort(): void {
    this.#discard();
    this.#holdings.close();
    this.#leftovers.ended(false);
    this.#failed = undefined;
  }

  /** Closes what is open, for good. What there is of a large file stays until it is set aside. */
  leave(): void {
    if (this.#now && this.#now.size >= LEFT_FROM_BYTES) {
      this.#now.checking?.[Symbol.dispose]();
      this.#now.file[Symbol.dispose]();
      this.#now = undefined;
    }
    this.abort();
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
    this.#write(now, bytes, at);
  }

  /** Appends a chunk of zeros, at `offset` of the file: nobody has to be asked for them. */
  #zeros(now: Assembly, length: number, offset: number): void {
    if (now.begin.sparse) now.file.skip(length);
    else this.#write(now, new Uint8Array(length), offset);
  }

  #write({ file, begin }: Assembly, bytes: Uint8Array, offset: number): void {
    writeParts(bytes, offset, begin.sparse, {
      write: (part) => this.#withRoom(part.length, () => file.write(part)),
      skip: (length) => file.skip(length),
    });
  }

  /** Does something that may need room on the disk; where there is none, once more after some has been made. */
  #withRoom<T>(bytes: number, what: () => T): T {
    try {
      return what();
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code !== "ENOSPC" && code !== "EDQUOT" || !this.#makeRoom(bytes)) throw error;
      return what();
    }
  }

  /** Notes the next chunk of the recipe. */
  #note(now: Assembly, digest: Digest, length: number): void {
    if (length === 0 || length > 4 * now.begin.average) throw new ProtocolError("A chunk has an impossible length");
    if (now.size + length > now.begin.size) throw new ProtocolError("A file is longer than was said");
    if (now.lengths.length >= MAX_CHUNKS) throw new ProblemError("it has too many parts");
    now.size += length;
    now.lengths.push(length);
    now.digests.push(digest);
  }

  /** The file at `path`, which has `count` chunks from number `index` on. */
  #baseOf(path: RelPath, index: number, count: number): Holder {
    const base = this.#holdings.holder(path) ?? gone();
    if (count === 0 || index + count > base.recipe.lengths.length) {
      throw new ProtocolError("A chunk is kept that the base does not have");
    }
    return base;
  }

  #discard(): void {
    if (!this.#now) return;
    this.#now.checking?.[Symbol.dispose]();
    this.#now.file[Symbol.dispose]();
    this.#holdings.close();
    try {
      this.#fs.unlink(this.#now.at);
    } catch {
      // It stays in the private folder until the next start.
      this.dirs.spoil(this.#now.begin.path);
    }
    this.#now = undefined;
  }
}

/** Whether a chunk is one of those that a large hole consists of. */
function isLongestZeros({ begin }: Assembly, digest: Digest, length: number): boolean {
  return length === 4 * begin.average && digest === digestOfZeros(length);
}

function gone(): never {
  throw new ProblemError("the version that it was based on is not in the mirror any more; it is sent again");
}

function lengthOf(part: PatchPart): number {
  return "offset" in part ? part.length : part.bytes.length;
}
