// How fast the line takes what is sent, as far as waiting for it tells.

import type { Clock } from "../core/clock.ts";
import { LINK_WINDOW_BYTES } from "../core/limits.ts";

/** A rate is told of no fewer bytes, so that one late answer is not taken for a slow line. */
const LEAST_BYTES = 256 << 10;
/** Whoever waits for less than this share of the time is not held up by the line. */
const WAITING_SHARE = 0.25;
/** What has arrived is counted over so long at least, and at most (ms): short bursts come out of buffers, long pauses tell nothing. */
const SHORTEST_MS = 1000;
const LONGEST_MS = 3000;
/** Whoever sends nothing for so long (ms) learns nothing of the line. */
const IDLE_MS = 200;

/**
 * Measures a line. What is sent goes into a buffer of unknown size first, which tells nothing; from one moment at which that is
 * full to the next, as much as it took in has left at the other end.
 */
export class Pace {
  readonly #clock: Clock;
  /** When the buffer was last known to be full, and when something was last sent (ms); since the former, the bytes and the time waited. */
  #full: number | undefined;
  #last = 0;
  #bytes = 0;
  #waited = 0;
  #rate = Infinity;
  /** When it was last counted what had arrived (ms), and how much that was. */
  #arrived = { at: -Infinity, bytes: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Bytes a second that the line takes; Infinity while nothing has had to wait. */
  get rate(): number {
    return this.#rate;
  }

  /** Takes a rate that was measured otherwise. */
  measured(rate: number): void {
    this.#rate = rate;
  }

  /** Notes how much the other end has received in all: a line is as fast as what it has carried. */
  told(received: number): void {
    const now = this.#clock.now(), took = now - this.#arrived.at;
    if (took < SHORTEST_MS) return;
    const rate = (received - this.#arrived.bytes) * 1000 / took;
    if (took <= LONGEST_MS && rate > this.#rate) this.#rate = rate;
    this.#arrived = { at: now, bytes: received };
  }

  /** Notes that `bytes` are sent; `sending` resolves when there is room for more, undefined if there is. */
  async note(bytes: number, sending: Promise<void> | undefined): Promise<void> {
    const started = this.#clock.now();
    if (started - this.#last > IDLE_MS) this.#begin(undefined);
    await sending;
    const now = this.#last = this.#clock.now();
    this.#bytes += bytes;
    this.#waited += now - started;
    if (now > started) {
      if (this.#full === undefined) return this.#begin(now);
      if (this.#bytes < LEAST_BYTES) return;
      const took = now - this.#full, rate = this.#bytes * 1000 / took;
      // Where most of the time went elsewhere, the line may be faster than this.
      if (this.#waited >= WAITING_SHARE * took || rate > this.#rate) this.#rate = rate;
      this.#begin(now);
    } else if (this.#bytes > LINK_WINDOW_BYTES) this.#begin(undefined);
  }

  #begin(full: number | undefined): void {
    this.#full = full;
    this.#bytes = this.#waited = 0;
  }
}
