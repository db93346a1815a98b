// Time, handed in from main.ts so that tests can turn it by hand.

import { setImmediate } from "node:timers";

/** Where time comes from. */
export interface Clock {
  /** Whole milliseconds since some moment, for durations: it never goes back, and stands still while the machine sleeps. */
  now(): number;
  /** Milliseconds since the epoch as the machine has it, for what others are told and times of files: it may jump, either way. */
  date(): number;
  /** Resolves after `ms` milliseconds, or at once when `signal` is aborted. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Math.round(performance.now()),
  date: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener("abort", done);
    }),
};

/** Calls `what` at the next turn of the event loop: for what the system, not the engine, has to do then. */
export function atNextTurn(what: () => void): void {
  setImmediate(what);
}
