// A second thread that hashes stretches of files for one that has more to do with them. Both see one block of memory, through which
// jobs go there and digests come back while neither leaves its synchronous work. Content does not pass: the other thread reads
// the file itself, by the handle of the open file, which is the whole process's (core/digest_worker.ts).

import type { Clock } from "./clock.ts";
import { DIGEST_BYTES } from "./limits.ts";
import type { Digest } from "./types.ts";

/** Smaller files (bytes) are hashed before a thread has started. */
export const SECOND_FROM_BYTES = 64 << 20;
/** Most chunks of a job. */
export const MAX_JOB_CHUNKS = 512;
/** Jobs at a time: one under way, one that waits. */
const SLOTS = 2;
const READY_BYTES = 8, HEAD_BYTES = 16, OFFSET_BYTES = 8;
const SLOT_BYTES = HEAD_BYTES + OFFSET_BYTES + MAX_JOB_CHUNKS * (4 + DIGEST_BYTES);
/** A thread that has not answered after this long (ms) is not waited for. */
const PATIENCE_MS = 2000;

/** What a slot is up to; the thread that asks sets FREE, ASKED and QUIT, the one that answers the others. */
export const FREE = 0, ASKED = 1, DONE = 2, FAILED = 3, QUIT = 4;

/** One job's place in the shared memory. */
export interface Slot {
  /** One of the states. */
  readonly state: Int32Array;
  /** Handle of the file, number of chunks. */
  readonly job: Int32Array;
  /** Where in the file the first chunk begins. */
  readonly offset: Float64Array;
  readonly lengths: Int32Array;
  /** Raw, one behind the other. */
  readonly digests: Uint8Array;
}

/** The memory's parts: whether the thread is there, and the slots, which it takes in turn. */
export function partsOf(shared: SharedArrayBuffer): { readonly ready: Int32Array; readonly slots: readonly Slot[] } {
  const slots = Array.from({ length: SLOTS }, (_, i) => {
    const head = READY_BYTES + i * SLOT_BYTES, offset = head + HEAD_BYTES, lengths = offset + OFFSET_BYTES;
    return {
      state: new Int32Array(shared, head, 1),
      job: new Int32Array(shared, head + 4, 2),
      offset: new Float64Array(shared, offset, 1),
      lengths: new Int32Array(shared, lengths, MAX_JOB_CHUNKS),
      digests: new Uint8Array(shared, lengths + 4 * MAX_JOB_CHUNKS, DIGEST_BYTES * MAX_JOB_CHUNKS),
    };
  });
  return { ready: new Int32Array(shared, 0, 1), slots };
}

/** A stretch that is being hashed. Whoever has it MUST `take` it before the file is closed. */
export interface Job {
  /** Whether `take` returns at once. */
  readonly isDone: boolean;
  /** The digests, one a chunk, which it waits for the first time; undefined where they could not be made. */
  take(): Digest[] | undefined;
}

/** Takes jobs, one behind the other. */
export interface Hashing {
  /**
   * Has consecutive chunks of an open file hashed, from `offset` on.
   * @returns Nothing where there is no time for it now, or they are more than `MAX_JOB_CHUNKS`: the caller is to do it.
   */
  begin(handle: number, offset: number, lengths: readonly number[]): Job | undefined;
}

/** A thread that takes jobs until it is disposed. */
export interface Hasher extends Hashing, Disposable {}

/** Starts a thread that shares the work on a file of `size` bytes, where there can be one and it is worth it. */
export type StartHasher = (size: number) => Hasher | undefined;

/** The thread, as the one that asks sees it. */
export class SecondThread implements Hasher {
  readonly #ready: Int32Array;
  readonly #slots: readonly Slot[];
  #next = 0;

  /** @param start Starts `core/digest_worker.ts` with this memory; it may take its time. */
  constructor(start: (shared: SharedArrayBuffer) => void) {
    const shared = new SharedArrayBuffer(READY_BYTES + SLOTS * SLOT_BYTES);
    const { ready, slots } = partsOf(shared);
    this.#ready = ready;
    this.#slots = slots;
    start(shared);
  }

  begin(handle: number, offset: number, lengths: readonly number[]): Job | undefined {
    const slot = this.#slots[this.#next]!;
    if (lengths.length > MAX_JOB_CHUNKS) return undefined;
    if (Atomics.load(this.#ready, 0) === 0 || Atomics.load(slot.state, 0) !== FREE) return undefined;
    this.#next = (this.#next + 1) % SLOTS;
    slot.job[0] = handle;
    slot.job[1] = lengths.length;
    slot.offset[0] = offset;
    slot.lengths.set(lengths);
    set(slot, ASKED);
    return new Asked(slot, lengths.length, this.#ready);
  }

  /** Ends the thread. Jobs that nobody has taken are of no use any more. */
  [Symbol.dispose](): void {
    for (const slot of this.#slots) set(slot, QUIT);
  }
}

class Asked implements Job {
  #isTaken = false;
  #digests: Digest[] | undefined;

  constructor(readonly slot: Slot, readonly count: number, readonly ready: Int32Array) {}

  get isDone(): boolean {
    return this.#isTaken || Atomics.load(this.slot.state, 0) !== ASKED;
  }

  take(): Digest[] | undefined {
    if (!this.#isTaken) this.#digests = this.#wait();
    this.#isTaken = true;
    return this.#digests;
  }

  #wait(): Digest[] | undefined {
    const { state, digests } = this.slot;
    while (Atomics.load(state, 0) === ASKED) {
      if (Atomics.wait(state, 0, ASKED, PATIENCE_MS) !== "timed-out") continue;
      // Whatever has become of it, it gets nothing more to do.
      Atomics.store(this.ready, 0, 0);
      return undefined;
    }
    const all = Atomics.load(state, 0) === DONE ? digests.slice(0, this.count * DIGEST_BYTES) : undefined;
    set(this.slot, FREE);
    if (!all) return undefined;
    return Array.from({ length: this.count }, (_, i) => all.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES).toHex());
  }
}

/** Sets a slot's state and wakes who waits for it. */
export function set({ state }: Slot, to: number): void {
  Atomics.store(state, 0, to);
  Atomics.notify(state, 0);
}

/** A thread that nobody has needed for so long (ms) ends. */
const SPARE_MS = 10_000;

/**
 * The second thread of an engine: started when it is first needed, lent to one file at a time, kept for the next one for a while. To start
 * one takes the main thread some 30 ms, which nobody may have it do over and over.
 */
export class SpareThread {
  readonly #start: (shared: SharedArrayBuffer) => void;
  #thread: SecondThread | undefined;
  #isLent = false;
  readonly #clock: Clock;
  #needed = new AbortController();

  /** @param start As `SecondThread` has it. */
  constructor(start: (shared: SharedArrayBuffer) => void, clock: Clock) {
    this.#start = start;
    this.#clock = clock;
  }

  /** The thread, for a file of `size` bytes, until what is returned is disposed; undefined where it is not worth it, or lent. */
  readonly lend: StartHasher = (size) => {
    if (size < SECOND_FROM_BYTES || this.#isLent) return undefined;
    this.#isLent = true;
    this.#needed.abort();
    const thread = this.#thread ??= new SecondThread(this.#start);
    const giveBack = () => {
      this.#isLent = false;
      const { signal } = this.#needed = new AbortController();
      this.#clock.sleep(SPARE_MS, signal).then(() => signal.aborted || this.end());
    };
    return { begin: (...job) => thread.begin(...job), [Symbol.dispose]: giveBack };
  };

  /** Ends it. */
  end(): void {
    this.#needed.abort();
    this.#thread?.[Symbol.dispose]();
    this.#thread = undefined;
  }
}
