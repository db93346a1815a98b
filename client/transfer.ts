// A file of several chunks on its way: read once, front to back, and for each chunk it is said where the mirror gets it from:
// from a file that it holds (`keep`), from anywhere in it (`known`, after asking), from an old chunk that it resembles
// (`patch`), or from the wire (`literal`). Questions go out while reading goes on.

import type { CutOptions, Cutter, ReadAt } from "../core/chunker.ts";
import { holesOf, type ReadableFile, type Stat } from "../core/fs.ts";
import { MAX_ASKED, MAX_MESSAGE_BYTES, MAX_SKETCHED, MAX_SKETCHED_BYTES } from "../core/limits.ts";
import { patchOf, placesOf, sketch } from "../core/patch.ts";
import type { RelPath } from "../core/path.ts";
import { digestOfChunk } from "../core/recipe.ts";
import { type Piece, recut } from "../core/recut.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { Attributes, Digest, Recipe } from "../core/types.ts";
import { Held, type Holder, type Run } from "./held.ts";
import type { Outlet } from "./remote.ts";

/** Below this size (bytes) a file's chunks travel without asking: they cost less than the question. */
const ASK_FROM_BYTES = 64 << 10;
/** So much of a file is asked about in one question (bytes). */
const ASK_BYTES = 1 << 20;
/** So much of it is kept in memory while answers are awaited (bytes), in so many stretches. */
const WAITING_BYTES = 4 << 20;
const WAITING_STRETCHES = 256;
/** From so many new bytes between kept ones on it is worth asking of what pieces the old ones were. */
const SKETCH_FROM_BYTES = 6 << 10;
/** What is kept is told after so many bytes of it, or this part of the file, so that the mirror copies while we still read. */
const TELL_BYTES = 4 << 20;
const TELL_PART = 1 / 64;
/** A file this large (bytes) is begun before it is known to have changed, unless it is so large that a copy made in vain hurts. */
const EARLY_FROM_BYTES = 8 << 20;
const EARLY_TO_BYTES = 1 << 30;

/** What a transfer works with. */
export interface TransferDeps {
  readonly remote: Outlet;
  readonly index: TreeIndex;
  readonly cutter: Cutter;
  /** Whether the mirror may hold chunks worth asking for. */
  readonly ask: boolean;
  /** Paths at which the mirror failed: of these, chunks are sent as they are. */
  readonly refusedOnce: ReadonlySet<RelPath>;
  /** Makes sure that what was sent of a file and its name before is committed: what is kept, is kept of what is there then. */
  readonly settle: (id: number) => Promise<void>;
  /** Called with the bytes read of a file, as it goes on. */
  readonly progress: (bytes: number) => void;
  /** Lets answers and signals through now and then. */
  readonly breathe: () => Promise<void> | undefined;
  readonly signal: AbortSignal;
}

/** A file that is to be sent. */
export interface FileToSend {
  readonly path: RelPath;
  /** What lstat said of it. */
  readonly stat: Stat;
  /** What the mirror's is to have. */
  readonly attributes: Attributes;
  /** Whether its content is probably what the mirror has, so that nothing is to be done before it has been read. */
  readonly isDoubtful?: boolean;
}

/** A part of the file: chunks that the mirror has in one file, or one that it may not have. */
type Part =
  | { readonly kind: "run"; readonly holder: Holder; readonly index: number; count: number }
  | { readonly kind: "chunk"; readonly digest: Digest; readonly bytes: Uint8Array };

/** Chunks of the base in whose place there are others now. */
interface Gap {
  readonly index: number;
  readonly count: number;
}

/** A stretch of the file, and what was asked about it. */
interface Stretch {
  readonly parts: Part[];
  /** Of its chunks, bytes. */
  readonly bytes: number;
  /** Which of them the mirror holds. */
  readonly holds: Promise<Uint8Array> | undefined;
  /** Where in the base their pieces are. */
  readonly places: Promise<Map<string, number>> | undefined;
  /** Whether the answers are here. */
  ready: boolean;
}

/** Whether some of a file is holes. */
export function isSparse(stat: Stat): boolean {
  return stat.allocated < stat.size;
}

/** One file on its way. */
export class Transfer {
  readonly #lengths: number[] = [];
  readonly #digests: Digest[] = [];
  readonly #held: Held;
  readonly #asks: boolean;
  readonly #tellBytes: number;
  /** Chunks that went over the wire as part of this file, which the mirror holds from then on. */
  readonly #own = new Set<Digest>();
  readonly #stretches: Stretch[] = [];
  #waiting = 0;
  #parts: Part[] = [];
  /** Of the chunks in there, how many and how many bytes; and how many bytes of kept ones. */
  #unknown = 0;
  #bytes = 0;
  #kept = 0;
  /** Where the base would go on behind the last chunk that was kept of it; undefined if more than chunks came since. */
  #gapFrom: number | undefined = 0;
  /** The run that the next chunk may continue. */
  #next: Run | undefined;
  /** What `keep` refers to, for the server. */
  #base: RelPath;
  /** Whether the mirror was told of the file. */
  #begun = false;

  /** @param base What the mirror has under the path, if it was cut with the same class. */
  constructor(
    readonly file: FileToSend,
    readonly average: number,
    base: Holder | undefined,
    readonly deps: TransferDeps,
  ) {
    this.#held = new Held(deps.index, base);
    this.#tellBytes = Math.max(TELL_BYTES, file.stat.size * TELL_PART);
    this.#asks = deps.ask && file.stat.size >= ASK_FROM_BYTES;
    this.#base = file.path;
  }

  /** Reads the file and sends what the mirror lacks of it; it is up to the caller to `end` or `abort` it. */
  async run(file: ReadableFile): Promise<Recipe> {
    const { progress, signal, breathe } = this.deps;
    const { stat: { size }, isDoubtful } = this.file;
    const early = this.#held.base !== undefined && size >= EARLY_FROM_BYTES && size <= EARLY_TO_BYTES && !isDoubtful;
    if (early) await this.#begin();
    for (const piece of this.#pieces((offset, into) => file.readAt(offset, into), holesOf(file, this.file.stat))) {
      signal.throwIfAborted();
      this.#lengths.push(piece.length);
      this.#digests.push(piece.digest);
      progress(piece.length);
      const paused = this.#take(piece) ?? breathe();
      if (paused) await paused;
    }
    if (this.#begun || !this.#isBase()) {
      await this.#closeGap(this.#held.base?.recipe.lengths.length ?? 0);
      await this.#cutOff(undefined);
      while (this.#stretches.length > 0) await this.#sendFirst();
    }
    return { average: this.average, lengths: this.#lengths, digests: this.#digests };
  }

  async end(content: Digest): Promise<void> {
    await this.#begin();
    await this.deps.remote.send({ type: "fileEnd", content });
  }

  /** The file is not to be sent after all. */
  async abort(): Promise<void> {
    // Open questions are answered all the same.
    await Promise.all(this.#stretches.map(({ holds, places }) => Promise.all([holds, places])));
    if (this.#begun) await this.deps.remote.send({ type: "fileAbort" });
  }

  *#pieces(readAt: ReadAt, dataFrom: CutOptions["dataFrom"]): Generator<Piece, void> {
    const { cutter } = this.deps;
    const { size } = this.file.stat;
    const { base } = this.#held;
    if (base) return yield* recut(cutter, readAt, { size, old: base.recipe, dataFrom });
    cutter.start(readAt, { size, average: this.average, dataFrom });
    for (let chunk = cutter.next(); chunk; chunk = cutter.next()) {
      const { bytes } = chunk;
      yield { length: bytes.length, digest: digestOfChunk(chunk), old: undefined, bytes };
    }
  }

  /** Notes the next chunk. @returns A promise where there is something to wait for. */
  #take({ length, digest, old, bytes }: Piece): Promise<void> | undefined {
    const { base } = this.#held;
    const run = old === undefined ? this.#held.find(digest, this.#next) : { holder: base!, index: old };
    if (!run) {
      this.#next = undefined;
      // With nothing to ask, nothing to keep and nothing before it, there is nothing to wait for.
      if (!this.#asks && !base && this.#parts.length === 0) return this.#sendAtOnce(digest, bytes!);
      // The cutter overwrites its view, and what has to wait for an answer must last.
      this.#parts.push({ kind: "chunk", digest, bytes: bytes!.slice() });
      this.#bytes += length;
      this.#unknown++;
      if (this.#bytes < ASK_BYTES && this.#unknown < MAX_ASKED) return undefined;
      this.#gapFrom = undefined;
      return this.#cutOff(undefined);
    }
    const { holder, index } = run;
    const isGap = holder === base && this.#unknown > 0;
    if (isGap) return this.#closeGap(index).then(() => this.#keep(holder, index, length));
    return this.#keep(holder, index, length);
  }

  #keep(holder: Holder, index: number, length: number): Promise<void> | undefined {
    const last = this.#parts.at(-1);
    if (last?.kind === "run" && last.holder === holder && last.index + last.count === index) last.count++;
    else this.#parts.push({ kind: "run", holder, index, count: 1 });
    this.#next = { holder, index: index + 1 };
    this.#gapFrom = holder === this.#held.base ? index + 1 : undefined;
    this.#kept += length;
    return this.#begun && this.#kept >= this.#tellBytes ? this.#cutOff(undefined) : undefined;
  }

  /** Ends a stretch where the base goes on, at its chunk number `to`: what is new may resemble what was there. */
  async #closeGap(to: number): Promise<void> {
    const from = this.#gapFrom;
    const { base } = this.#held;
    if (!base || from === undefined || to <= from || this.#bytes < SKETCH_FROM_BYTES) return;
    if (this.deps.refusedOnce.has(this.file.path)) return;
    const gap = { index: from, count: to - from };
    const old = base.recipe.lengths.slice(from, to).reduce((sum, length) => sum + length, 0);
    if (gap.count <= MAX_SKETCHED && old <= MAX_SKETCHED_BYTES) await this.#cutOff(gap);
  }

  /** Ends a stretch; asks what there is to be asked, and sends what is known by now. */
  async #cutOff(gap: Gap | undefined): Promise<void> {
    const { remote } = this.deps;
    const parts = this.#parts, bytes = this.#bytes;
    this.#parts = [];
    this.#bytes = this.#unknown = this.#kept = 0;
    if (parts.length === 0) return;
    // What is to be sketched is the base of a file that is begun.
    if (gap) await this.#begin();
    const digests = parts.flatMap((part) => part.kind === "chunk" ? [part.digest] : []);
    const holds = this.#asks && digests.length > 0 ? remote.ask(digests) : undefined;
    const places = gap && remote.sketch(gap.index, gap.count).then((pieces) => placesOf(pieces, this.#startOf(gap)));
    const stretch: Stretch = { parts, bytes, holds, places, ready: !holds && !places };
    // They are awaited when their turn comes; a connection that breaks before is no crash.
    Promise.all([holds, places]).then(() => stretch.ready = true, () => {});
    this.#stretches.push(stretch);
    this.#waiting += bytes;
    while (
      this.#stretches[0]?.ready || this.#waiting > WAITING_BYTES || this.#stretches.length > WAITING_STRETCHES
    ) await this.#sendFirst();
    if (this.#stretches.length === 0 && digests.length === 0) await remote.flush();
  }

  async #sendFirst(): Promise<void> {
    const { remote } = this.deps;
    const { parts, bytes, holds, places } = this.#stretches.shift()!;
    this.#waiting -= bytes;
    const [bits, pieces] = await Promise.all([holds, places]);
    await this.#begin();
    let asked = 0;
    for (const part of parts) {
      if (part.kind === "run") {
        await this.#sendRun(part.holder, part.index, part.count);
        continue;
      }
      const held = bits !== undefined && (bits[asked >> 3]! >> (asked & 7) & 1) === 1;
      asked++;
      await this.#sendChunk(part.digest, part.bytes, held, pieces);
    }
    if (pieces) await remote.flush();
  }

  async #sendRun(holder: Holder, index: number, count: number): Promise<void> {
    const { remote, settle } = this.deps;
    if (this.#base !== holder.path) {
      await settle(holder.id);
      await remote.send({ type: "base", path: this.#base = holder.path });
    }
    await remote.send({ type: "keep", index, count });
  }

  #sendChunk(
    digest: Digest,
    bytes: Uint8Array,
    held: boolean,
    places: Map<string, number> | undefined,
  ): Promise<void> | undefined {
    const { remote } = this.deps;
    if (held || this.#own.has(digest)) return remote.send({ type: "known", digest, length: bytes.length });
    this.#own.add(digest);
    const parts = places && places.size > 0 ? patchOf(bytes, sketch(bytes, this.average), places) : undefined;
    return remote.send(parts ? { type: "patch", digest, parts } : { type: "literal", bytes });
  }

  #sendAtOnce(digest: Digest, bytes: Uint8Array): Promise<void> | undefined {
    const ready = this.#begun ? undefined : this.#begin();
    return ready
      ? ready.then(() => this.#sendChunk(digest, bytes, false, undefined))
      : this.#sendChunk(digest, bytes, false, undefined);
  }

  async #begin(): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    const { base } = this.#held;
    if (base) await this.deps.settle(base.id);
    const { path, stat, attributes } = this.file;
    const { size } = stat, { average } = this, sparse = isSparse(stat);
    await this.deps.remote.send({ type: "file", path, attributes, sparse, size, average, base: path });
  }

  #startOf({ index }: Gap): number {
    return this.#held.base!.recipe.lengths.slice(0, index).reduce((sum, length) => sum + length, 0);
  }

  /** Whether what was read is the base, chunk for chunk. */
  #isBase(): boolean {
    const { digests } = this.#held.base?.recipe ?? {};
    return digests?.length === this.#digests.length && digests.every((digest, i) => digest === this.#digests[i]);
  }
}

// What is asked about at a time has to fit into a message.
if (MAX_MESSAGE_BYTES < 2 * ASK_BYTES) throw new RangeError("MAX_MESSAGE_BYTES is too small");
