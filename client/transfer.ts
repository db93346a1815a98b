// A file of several chunks on its way: read once, front to back, and for each chunk it is said where the mirror gets it from:
// from a file that it holds (`keep`), from anywhere in it (`known`, after asking), from an old chunk that it resembles
// (`patch`), or from the wire (`literal`). Questions go out while reading goes on.

import { Ahead } from "../core/ahead.ts";
import type { Cutter, ReadAt } from "../core/chunker.ts";
import { holesOf, type ReadableFile, type Stat } from "../core/fs.ts";
import { MAX_ASKED, MAX_MESSAGE_BYTES, MAX_SKETCHED, MAX_SKETCHED_BYTES } from "../core/limits.ts";
import { patchOf, placesOf, sketch, type Sketched } from "../core/patch.ts";
import type { RelPath } from "../core/path.ts";
import { digestOfChunk, startsOf } from "../core/recipe.ts";
import { type Piece, recut } from "../core/recut.ts";
import type { StartHasher } from "../core/second_thread.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { Attributes, Digest, Recipe } from "../core/types.ts";
import type { ClientMessage } from "../core/wire.ts";
import { Held, type Holder, type Run } from "./held.ts";
import type { Outlet } from "./outbox.ts";

/** Below this size (bytes) a file's chunks travel without asking, and so do fewer bytes of a larger one: they cost less than the question. */
const ASK_FROM_BYTES = 64 << 10;
const ASK_STRETCH_BYTES = 16 << 10;
/** So much of a file is asked about in one question (bytes). */
const ASK_BYTES = 1 << 20;
/** From so many new bytes between kept ones on it is worth asking of what pieces the old ones were. */
const SKETCH_FROM_BYTES = 1 << 10;
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
  /** Starts a thread that shares the work on a large file, where there can be one. */
  readonly secondThread?: StartHasher | undefined;
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

/** What is to be said of a part of the file: for a chunk that the mirror may not have, how, is not known before answers are there. */
type Part = ClientMessage | { readonly type: "chunk"; readonly digest: Digest; readonly bytes: Uint8Array };

/** Chunks of the base in whose place there are others now. */
interface Gap {
  readonly index: number;
  readonly count: number;
  /** Where they began (bytes). */
  readonly start: number;
}

/** What the mirror says where nothing was asked. */
const UNASKED: [Uint8Array | undefined, Sketched[] | undefined] = [undefined, undefined];

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
  /** Chunks of this file, as far as it has been read, that were not kept: the mirror has them from then on. */
  readonly #own = new Set<Digest>();
  #parts: Part[] = [];
  /** Files other than the base that these keep something of. */
  #unsettled: number[] = [];
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
  /** Made with the first gap. */
  #baseStarts: Float64Array | undefined;

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
    for (const piece of this.#pieces(file)) {
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
    }
    return { average: this.average, lengths: this.#lengths, digests: this.#digests };
  }

  async end(content: Digest): Promise<void> {
    await this.#begin();
    await this.deps.remote.send({ type: "fileEnd", content });
  }

  /** The file is not to be sent after all. */
  async abort(): Promise<void> {
    if (this.#begun) await this.deps.remote.send({ type: "fileAbort" });
  }

  *#pieces(file: ReadableFile): Generator<Piece, void> {
    const { cutter, secondThread } = this.deps;
    const { size } = this.file.stat;
    const { base } = this.#held;
    const readAt: ReadAt = (offset, into) => file.readAt(offset, into), dataFrom = holesOf(file, this.file.stat);
    if (base) {
      const { recipe: old } = base, { handle } = file;
      using thread = handle !== undefined && !dataFrom ? secondThread?.(size) : undefined;
      using ahead = thread && new Ahead(thread, handle!, old.lengths, size);
      return yield* recut(cutter, readAt, { size, old, dataFrom, ahead });
    }
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
    if (run) {
      const { holder, index } = run;
      const isGap = holder === base && this.#unknown > 0;
      if (isGap) return this.#closeGap(index).then(() => this.#keep(holder, index, length));
      return this.#keep(holder, index, length);
    }
    this.#next = undefined;
    if (this.#own.has(digest)) {
      this.#parts.push({ type: "known", digest, length });
      return this.#tell(length);
    }
    this.#own.add(digest);
    // With nothing to ask, nothing to keep and nothing before it, there is nothing to wait for.
    if (!this.#asks && !base && this.#parts.length === 0) return this.#sendAtOnce(bytes!);
    // The cutter overwrites its view, and what has to wait for an answer must last.
    this.#parts.push({ type: "chunk", digest, bytes: bytes!.slice() });
    this.#bytes += length;
    this.#unknown++;
    if (this.#bytes < ASK_BYTES && this.#unknown < MAX_ASKED) return undefined;
    this.#gapFrom = undefined;
    return this.#cutOff(undefined);
  }

  #keep(holder: Holder, index: number, length: number): Promise<void> | undefined {
    const isBase = holder === this.#held.base;
    if (this.#base !== holder.path) {
      this.#parts.push({ type: "base", path: this.#base = holder.path });
      if (!isBase) this.#unsettled.push(holder.id);
    }
    const last = this.#parts.at(-1);
    if (last?.type === "keep" && last.index + last.count === index) last.count++;
    else this.#parts.push({ type: "keep", index, count: 1 });
    this.#next = { holder, index: index + 1 };
    this.#gapFrom = isBase ? index + 1 : undefined;
    return this.#tell(length);
  }

  /** Tells the mirror now and then of what it has, so that it copies while we still read: once it is clear that the file is sent. */
  #tell(length: number): Promise<void> | undefined {
    this.#kept += length;
    const isSent = this.#begun || !this.#held.base;
    return isSent && this.#kept >= this.#tellBytes ? this.#cutOff(undefined) : undefined;
  }

  /** Ends a stretch where the base goes on, at its chunk number `to`: what is new may resemble what was there. */
  async #closeGap(to: number): Promise<void> {
    const from = this.#gapFrom;
    const { base } = this.#held;
    if (!base || from === undefined || to <= from || this.#bytes < SKETCH_FROM_BYTES) return;
    if (this.deps.refusedOnce.has(this.file.path)) return;
    const starts = this.#startsOf(base), old = starts[to]! - starts[from]!;
    const gap = { index: from, count: to - from, start: starts[from]! };
    if (gap.count <= MAX_SKETCHED && old <= MAX_SKETCHED_BYTES) await this.#cutOff(gap);
  }

  /** Ends a stretch; asks what there is to be asked, and sends it once that is known. */
  async #cutOff(gap: Gap | undefined): Promise<void> {
    const { remote, settle } = this.deps;
    const parts = this.#parts, bytes = this.#bytes, unsettled = this.#unsettled, isMuch = this.#kept >= this.#tellBytes;
    this.#parts = [];
    this.#unsettled = [];
    this.#bytes = this.#unknown = this.#kept = 0;
    if (parts.length === 0) return;
    await this.#begin();
    for (const id of unsettled) await settle(id);
    const digests = parts.flatMap((part) => part.type === "chunk" ? [part.digest] : []);
    const holds = this.#asks && (gap || bytes >= ASK_STRETCH_BYTES) ? remote.ask(digests) : undefined;
    const places = gap && remote.sketch(this.file.path, gap.index, gap.count);
    const answers = holds || places ? Promise.all([holds, places]) : UNASKED;
    await remote.sendAfter(
      answers,
      bytes,
      ([holds, pieces]) => this.#messages(parts, holds, pieces && placesOf(pieces, gap!.start)),
    );
    if (isMuch) await remote.flush();
  }

  /** What is to be said of a stretch. @param holds Which of its chunks the mirror holds. @param places Where their pieces are. */
  *#messages(
    parts: readonly Part[],
    holds: Uint8Array | undefined,
    places: Map<string, number> | undefined,
  ): Generator<ClientMessage, void> {
    let asked = 0;
    for (const part of parts) {
      if (part.type !== "chunk") {
        yield part;
        continue;
      }
      const { digest, bytes } = part;
      const isHeld = holds !== undefined && (holds[asked >> 3]! >> (asked & 7) & 1) === 1;
      asked++;
      if (isHeld) yield { type: "known", digest, length: bytes.length };
      else {
        const ranges = places && places.size > 0 ? patchOf(bytes, sketch(bytes, this.average), places) : undefined;
        yield ranges ? { type: "patch", digest, parts: ranges } : { type: "literal", bytes };
      }
    }
  }

  #sendAtOnce(bytes: Uint8Array): Promise<void> | undefined {
    const send = () => this.deps.remote.send({ type: "literal", bytes });
    return this.#begun ? send() : this.#begin().then(send);
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

  /** Where the chunks of the base begin. */
  #startsOf({ recipe }: Holder): Float64Array {
    return this.#baseStarts ??= startsOf(recipe.lengths);
  }

  /** Whether what was read is the base, chunk for chunk. */
  #isBase(): boolean {
    const { digests } = this.#held.base?.recipe ?? {};
    return digests?.length === this.#digests.length && digests.every((digest, i) => digest === this.#digests[i]);
  }
}

// What is asked about at a time has to fit into a message.
if (MAX_MESSAGE_BYTES < 2 * ASK_BYTES) throw new RangeError("MAX_MESSAGE_BYTES is too small");
