// Sends one file: a small one in one message, a larger one chunk by chunk (client/transfer.ts). Nothing of a file that changes
// while it is read counts: stat, read, stat.

import { ChangedWhileReadError, isOfPath, ReplacedError } from "../core/errors.ts";
import { averageFor, type CutOptions, isOneChunk, type ReadAt } from "../core/chunker.ts";
import { type FileTree, holesOf, type ReadableFile, type Stat } from "../core/fs.ts";
import { contentOf, digestOfChunk, sizeOf } from "../core/recipe.ts";
import type { Digest, FileEntry, Recipe } from "../core/types.ts";
import { type FileToSend, isSparse, Transfer, type TransferDeps } from "./transfer.ts";

/** A file of at most so many bytes, of which the mirror has no chunks, is sent in one message. */
const WHOLE_BYTES = 64 << 10;
/** Where small files are read to; page-aligned, as the memory of WebAssembly is: reads are faster so. */
const small = new Uint8Array(new WebAssembly.Memory({ initial: WHOLE_BYTES >> 16 }).buffer);

/** Where files go. */
export interface SendDeps extends TransferDeps {
  readonly fs: FileTree;
  /** The average chunk size that the server wishes for, 0 if it has no wish. */
  readonly average: number;
}

/** What the mirror has under the path, as far as it is known. */
export interface Base {
  readonly id: number;
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
  const kept = base?.recipe?.average === average && !isOneChunk(stat.size, average)
    ? { id: base.id, path, recipe: base.recipe }
    : undefined;
  if (stat.size <= WHOLE_BYTES && !kept) return await sendWhole(wanted, file, average, base, deps);
  checkStill(file, stat);
  if (base && !base.recipe && base.entry.size === stat.size) {
    // The mirror may have it already; which chunks it has is not known, so this is found out before anything is sent.
    const recipe = cutFile((offset, into) => file.readAt(offset, into), stat.size, average, deps, holesOf(file, stat));
    if (contentOf(recipe) === base.entry.content) {
      checkStill(file, stat, recipe);
      return { entry: entryOf(wanted, recipe), recipe, sent: false };
    }
  }
  const transfer = new Transfer(wanted, average, kept, deps);
  let recipe: Recipe;
  try {
    recipe = await transfer.run(file);
    checkStill(file, stat, recipe);
  } catch (error) {
    // Of what is wrong with the connection the server learns by itself.
    if (isOfPath(error)) await transfer.abort();
    throw error;
  }
  const entry = entryOf(wanted, recipe);
  if (base?.entry.content === entry.content) {
    await transfer.abort();
    return { entry, recipe, sent: false };
  }
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

function cutFile(
  readAt: ReadAt,
  size: number,
  average: number,
  { cutter, signal, progress }: TransferDeps,
  dataFrom?: CutOptions["dataFrom"],
): Recipe {
  const lengths: number[] = [];
  const digests: Digest[] = [];
  cutter.start(readAt, { size, average, dataFrom });
  for (let chunk = cutter.next(); chunk; chunk = cutter.next()) {
    signal.throwIfAborted();
    lengths.push(chunk.bytes.length);
    digests.push(digestOfChunk(chunk));
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
  const read = recipe ? sizeOf(recipe) : stat.size;
  if (read !== stat.size || now.size !== stat.size || now.mtimeNs !== stat.mtimeNs || now.ctimeNs !== stat.ctimeNs) {
    throw new ChangedWhileReadError();
  }
}
