// How much of its time a session waits for bytes: whether a slow transfer is the line's fault or our own.

import type { Clock } from "../core/clock.ts";
import { PROBE_BYTES, RECEIPT_BYTES } from "../core/limits.ts";

/** It is told after so long (ms), unless so long passed that there was nothing to do. */
const TELL_MS = 100;
const IDLE_MS = 5000;

/** The share of its time that a session waits, and when to tell of it. */
export class Hunger {
  readonly #clock: Clock;
  #since: number;
  #waited = 0;
  #told = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /**
   * Notes a wait that began at `from` (ms) and ends now, with so many bytes received in all.
   * @returns Percent of the time since the last, if it is to be told: now and then, and at first whenever a client may wait for it.
   */
  waited(from: number, received: number): number | undefined {
    const now = this.#clock.now(), took = now - this.#since;
    this.#waited += now - from;
    const isAwaited = this.#told < PROBE_BYTES && received - this.#told >= RECEIPT_BYTES;
    if (took < TELL_MS && !isAwaited) return undefined;
    const share = took > 0 ? Math.round(100 * this.#waited / took) : 0;
    this.#since = now;
    this.#waited = 0;
    if (took >= IDLE_MS && !isAwaited) return undefined;
    this.#told = received;
    return share;
  }
}
