// Sends one file: reads it once, front to back, cuts it into chunks and says for each where the mirror gets it from: from the
// file that it has there now (`keep`), from any other (`known`, after asking), or from the wire (`literal`). Nothing of a file
// that changes while it is read counts: stat, read, stat.

import { ChangedWhileReadError, ReplacedError } from "../core/errors.ts";
import { averageFor, Cutter, isOneChunk, type ReadAt } from "../core/chunker.ts";
import type { FileTree, ReadableFile, Stat } from "../core/fs.ts";
import { MAX_ASKED, MAX_MESSAGE_BYTES } from "../core/limits.ts";
import type { RelPath } from "../core/path.ts";
import { contentOf, digestOf } from "../core/recipe.ts";
import type { Attributes, Digest, FileEntry, Recipe } from "../core/types.ts";
import type { Outlet } from "./remote.ts";

/** Below this size (bytes) a file's chunks travel without asking: they cost less than the question. */
const ASK_FROM_BYTES = 64 << 10;
/** A file of at most so many bytes, of which the mirror has no chunks, is sent in one message. */
const WHOLE_BYTES = 64 << 10;
/** Where small files are read to; page-aligned, as the memory of WebAssembly is: reads are faster so. */
const small = new Uint8Array(new WebAssembly.Memory({ initial: WHOLE_BYTES >> 16 }).buffer);
/** So much of a file is asked about in one question, and kept in memory until the answer comes (bytes). */
const ASK_BYTES = 1 << 20;
/** So many questions may be open while the file is read on. */
const OPEN_QUESTIONS = 3;

/** Where files go. */
export interface SendDeps {
  readonly fs: FileTree;
  readonly remote: Outlet;
  readonly cutter: Cutter;
  /** Whether the mirror may hold chunks worth asking for. */
  readonly ask: boolean;
  /** The average chunk size that the server wishes for, 0 if it has no wish. */
  readonly average: number;
  /** Makes sure that what was sent before is committed, since `keep` refers to what the mirror has under its names. */
  readonly settle: () => Promise<void>;
  /** Called with the bytes read of a file, as it goes on. */
  readonly progress: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** A file that is to be sent. */
export interface FileToSend {
  readonly path: RelPath;
  /** What lstat said of it. */
  readonly stat: Stat;
  /** What the mirror's is to have. */
  readonly attributes: Attributes;
}

/** What the mirror has under the path, as far as it is known. */
export interface Base {
  readonly entry: FileEntry;
  readonly recipe: Recipe | undefined;
}

/** A file as it was read. */
export interface SentFile {
  readonly entry: FileEntry;
  readonly recipe: Recipe;
  /** Whether content was sent; false if the mirror has it, and at most metadata differ. */
  readonly sent: boolean;
}

/**
 * Reads a file and sends what the mirror lacks of it.
 *
 * @throws {ChangedWhileReadError} If it changed since lstat; the mirror was told to forget it.
 * @throws {ReplacedError} If another has taken its place since lstat, which may have come by a rename.
 */
export async function sendFile(wanted: FileToSend, base: Base | undefined, deps: SendDeps): Promise<SentFile> {
  const { path, stat } = wanted;
  using file = deps.fs.openFile(path);
  const average = averageOf(stat.size, base, deps.average);
  // Chunks that the mirror can keep are of use only in a file of several.
  const kept = base?.recipe?.average === average && !isOneChunk(stat.size, average) ? base : undefined;
  if (stat.size <= WHOLE_BYTES && !kept) return await sendWhole(wanted, file, average, base, deps);
  checkStill(file, stat);
  if (base && !base.recipe && base.entry.size === stat.size) {
    // The mirror may have it already; which chunks it has is not known, so this is found out before anything is sent.
    const recipe = cutFile((offset, into) => file.readAt(offset, into), stat.size, average, deps);
    if (contentOf(recipe) === base.entry.content) {
      checkStill(file, stat, recipe);
      return { entry: entryOf(wanted, recipe), recipe, sent: false };
    }
  }
  const transfer = new Transfer(wanted, average, kept, deps);
  const recipe = await transfer.run(file);
  try {
    checkStill(file, stat, recipe);
  } catch (error) {
    await transfer.abort();
    throw error;
  }
  const entry = entryOf(wanted, recipe);
  if (base?.entry.content === entry.content && !transfer.begun) return { entry, recipe, sent: false };
  await transfer.end(entry.content);
  return { entry, recipe, sent: true };
}

/** Sends a small file in one message. */
async function sendWhole(
  wanted: FileToSend,
  file: ReadableFile,
  average: number,
  base: Base | undefined,
  deps: SendDeps,
): Promise<SentFile> {
  const { path, stat, attributes } = wanted;
  const bytes = small.subarray(0, stat.size);
  const got = file.readAt(0, bytes);
  const recipe = cutFile(
    (offset, into) => {
      const part = bytes.subarray(offset, Math.min(got, offset + into.length));
      into.set(part);
      return part.length;
    },
    stat.size,
    average,
    deps,
  );
  checkStill(file, stat, recipe);
  const entry = entryOf(wanted, recipe), { content } = entry;
  if (base?.entry.content === content && base.entry.average === average) return { entry, recipe, sent: false };
  const { lengths } = recipe, sparse = isSparse(stat);
  await deps.remote.send({ type: "whole", path, attributes, sparse, average, content, lengths, bytes });
  return { entry, recipe, sent: true };
}

function entryOf({ stat, attributes }: FileToSend, recipe: Recipe): FileEntry {
  return { kind: "file", ...attributes, size: stat.size, average: recipe.average, content: contentOf(recipe) };
}

/** Whether some of it is holes. */
function isSparse(stat: Stat): boolean {
  return stat.allocated < stat.size;
}

function cutFile(readAt: ReadAt, size: number, average: number, { cutter, signal, progress }: SendDeps): Recipe {
  const lengths: number[] = [];
  const digests: Digest[] = [];
  cutter.start(readAt, { size, average });
  for (let chunk = cutter.next(); chunk; chunk = cutter.next()) {
    signal.throwIfAborted();
    lengths.push(chunk.bytes.length);
    digests.push(digestOf(chunk.bytes));
    progress(chunk.bytes.length);
  }
  return { average, lengths, digests };
}

/** The class to cut with: the one the file has in the mirror while it fits, so that the same content has the same id. */
function averageOf(size: number, base: Base | undefined, wish: number): number {
  if (wish === 0) return averageFor(size, base?.entry.average);
  return wish;
}

/** Makes sure that a file is what lstat said, and that all of it was read. */
function checkStill(file: ReadableFile, stat: Stat, recipe?: Recipe): void {
  const now = file.stat();
  if (now.kind !== "file" || now.ino !== stat.ino) throw new ReplacedError();
  const read = recipe?.lengths.reduce((sum, length) => sum + length, 0) ?? stat.size;
  if (read !== stat.size || now.size !== stat.size || now.mtimeNs !== stat.mtimeNs || now.ctimeNs !== stat.ctimeNs) {
    throw new ChangedWhileReadError();
  }
}

/** A chunk on its way: kept chunks only as a count. */
type Part =
  | { readonly kind: "keep"; readonly index: number; count: number }
  | { readonly kind: "chunk"; readonly digest: Digest; readonly bytes: Uint8Array };

/** A stretch of the file, and the answer to the question which of its chunks the mirror holds. */
interface Stretch {
  readonly parts: Part[];
  readonly answer: Promise<Uint8Array> | undefined;
}

/** One file on its way. */
class Transfer {
  readonly #lengths: number[] = [];
  readonly #digests: Digest[] = [];
  readonly #recipe: Recipe | undefined;
  readonly #baseIndex = new Map<Digest, number>();
  /** Chunks that went over the wire as part of this file, which the mirror holds from then on. */
  readonly #own = new Set<Digest>();
  readonly #stretches: Stretch[] = [];
  #parts: Part[] = [];
  #bytes = 0;
  #unknown = 0;
  /** Whether the mirror was told of the file. */
  begun = false;

  constructor(
    readonly file: FileToSend,
    readonly average: number,
    base: Base | undefined,
    readonly deps: SendDeps,
  ) {
    this.#recipe = base?.recipe;
    this.#recipe?.digests.forEach((digest, i) => this.#baseIndex.set(digest, i));
  }

  async run(file: ReadableFile): Promise<Recipe> {
    const { cutter, progress, signal } = this.deps;
    const { size } = this.file.stat;
    const asks = this.deps.ask && size >= ASK_FROM_BYTES;
    cutter.start((offset, into) => file.readAt(offset, into), { size, average: this.average });
    for (let chunk = cutter.next(); chunk; chunk = cutter.next()) {
      signal.throwIfAborted();
      const { bytes } = chunk;
      const digest = digestOf(bytes);
      this.#lengths.push(bytes.length);
      this.#digests.push(digest);
      progress(bytes.length);
      if (this.#keep(digest)) continue;
      // The cutter overwrites its view; what has to wait for an answer is copied.
      this.#parts.push({ kind: "chunk", digest, bytes: asks ? bytes.slice() : bytes });
      this.#bytes += bytes.length;
      this.#unknown++;
      if (!asks) await this.#send({ parts: this.#take(), answer: undefined });
      else if (this.#bytes >= ASK_BYTES || this.#unknown >= MAX_ASKED) await this.#ask();
    }
    if (this.begun || this.#unknown > 0 || !this.#isBase()) {
      if (asks && this.#unknown > 0) await this.#ask();
      while (this.#stretches.length > 0) await this.#send(this.#stretches.shift()!);
      await this.#send({ parts: this.#take(), answer: undefined });
    }
    return { average: this.average, lengths: this.#lengths, digests: this.#digests };
  }

  async end(content: Digest): Promise<void> {
    await this.#begin();
    await this.deps.remote.send({ type: "fileEnd", content });
  }

  async abort(): Promise<void> {
    // Open questions are answered all the same.
    await Promise.all(this.#stretches.map(({ answer }) => answer));
    if (this.begun) await this.deps.remote.send({ type: "fileAbort" });
  }

  /** Notes the chunk as kept, if the base has it. */
  #keep(digest: Digest): boolean {
    const last = this.#parts.at(-1);
    const next = last?.kind === "keep" ? last.index + last.count : undefined;
    if (last?.kind === "keep" && this.#recipe!.digests[next!] === digest) {
      last.count++;
      return true;
    }
    const index = this.#baseIndex.get(digest);
    if (index === undefined) return false;
    this.#parts.push({ kind: "keep", index, count: 1 });
    return true;
  }

  /** Whether what was read is the base, chunk for chunk. */
  #isBase(): boolean {
    const recipe = this.#recipe;
    return recipe?.digests.length === this.#digests.length &&
      recipe.digests.every((digest, i) => digest === this.#digests[i]);
  }

  async #ask(): Promise<void> {
    const parts = this.#take();
    const digests = parts.flatMap((part) => part.kind === "chunk" ? [part.digest] : []);
    const answer = this.deps.remote.ask(digests);
    // It is awaited when its turn comes; a connection that breaks before is no crash.
    answer.catch(() => {});
    this.#stretches.push({ parts, answer });
    if (this.#stretches.length > OPEN_QUESTIONS) await this.#send(this.#stretches.shift()!);
  }

  #take(): Part[] {
    const parts = this.#parts;
    this.#parts = [];
    this.#bytes = this.#unknown = 0;
    return parts;
  }

  async #send({ parts, answer }: Stretch): Promise<void> {
    const { remote } = this.deps;
    const bits = answer && await answer;
    if (parts.length > 0) await this.#begin();
    let asked = 0;
    for (const part of parts) {
      if (part.kind === "keep") {
        await remote.send({ type: "keep", index: part.index, count: part.count });
        continue;
      }
      const { digest, bytes } = part;
      const held = bits !== undefined && (bits[asked >> 3]! >> (asked & 7) & 1) === 1;
      asked++;
      if (held || this.#own.has(digest)) await remote.send({ type: "known", digest, length: bytes.length });
      else {
        await remote.send({ type: "literal", bytes });
        this.#own.add(digest);
      }
    }
  }

  async #begin(): Promise<void> {
    if (this.begun) return;
    this.begun = true;
    if (this.#recipe) await this.deps.settle();
    const { path, stat, attributes } = this.file;
    const { size } = stat, { average } = this, sparse = isSparse(stat);
    await this.deps.remote.send({ type: "file", path, attributes, sparse, size, average, base: path });
  }
}

// The longest chunk has to fit into a message.
if (MAX_MESSAGE_BYTES < 2 * ASK_BYTES) throw new RangeError("MAX_MESSAGE_BYTES is too small");
