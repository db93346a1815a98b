// How fast the line takes what is sent, as far as waiting for it tells.

import type { Clock } from "../core/clock.ts";
import { LINK_WINDOW_BYTES } from "../core/limits.ts";

/** A rate is told of no fewer bytes, so that one late answer is not taken for a slow line. */
const LEAST_BYTES = 256 << 10;
/** Whoever waits for less than this share of the time is not held up by the line. */
const WAITING_SHARE = 0.25;
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

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Bytes a second that the line takes; Infinity while nothing has had to wait. */
  get rate(): number {
    return this.#rate;
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
    } else if (this.#bytes > LINK_WINDOW_BYTES) {
      // It keeps up with all there is.
      this.#rate *= 2;
      this.#begin(undefined);
    }
  }

  #begin(full: number | undefined): void {
    this.#full = full;
    this.#bytes = this.#waited = 0;
  }
}
