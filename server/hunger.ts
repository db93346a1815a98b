// How much of its time a session waits for bytes: whether a slow transfer is the line's fault or our own.

import type { Clock } from "../core/clock.ts";

/** It is told after so long (ms), unless so long passed that there was nothing to do. */
const TELL_MS = 250;
const IDLE_MS = 5000;

/** The share of its time that a session waits. */
export class Hunger {
  readonly #clock: Clock;
  #since: number;
  #waited = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** Notes a wait that began at `from` (ms) and ends now. @returns Percent of the time since the last, if it is to be told. */
  waited(from: number): number | undefined {
    const now = this.#clock.now(), took = now - this.#since;
    this.#waited += now - from;
    if (took < TELL_MS) return undefined;
    const share = Math.round(100 * this.#waited / took);
    this.#since = now;
    this.#waited = 0;
    return took < IDLE_MS ? share : undefined;
  }
}
