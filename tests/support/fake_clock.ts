// A clock that stands still until the test lets it run. Nothing sleeps for real.

import { setImmediate } from "node:timers";
import type { Clock } from "../../core/clock.ts";

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** Time for tests: it jumps from one sleeper's hour to the next, and only when nothing else can go on. */
export class FakeClock implements Clock {
  #now: number;
  #sleepers: Sleeper[] = [];

  /** @param now Where it starts, ms since the epoch. */
  constructor(now = 1_800_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  date(): number {
    return this.#now + this.#ahead;
  }

  /** Somebody sets the machine's clock by so many ms. */
  set(byMs: number): void {
    this.#ahead += byMs;
  }
  #ahead = 0;

  /** The time in ns, for a MemoryFs; a little later at every call, so that no two changes have the same time. */
  readonly nowNs: () => bigint = () => BigInt(this.date()) * 1_000_000n + this.#tick++;
  #tick = 0n;

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const sleeper = { at: this.#now + Math.max(0, ms), wake: () => done() };
      const done = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", done);
    });
  }

  /** Lets time pass until `promise` settles. @throws {Error} If it would take more than an hour, or forever. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const settle = () => settled = true;
    promise.then(settle, settle);
    const end = this.#now + 3_600_000;
    for (;;) {
      await this.idle();
      if (settled) return await promise;
      if (!this.#jump(end)) throw new Error(`Nothing happens any more at ${this.#now} ms`);
    }
  }

  /** Lets `ms` pass. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    do await this.idle(); while (this.#jump(end));
    this.#now = end;
  }

  /** Lets everything that is not asleep go on until it is. */
  async idle(): Promise<void> {
    for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  #jump(end: number): boolean {
    const next = this.#sleepers.reduce<Sleeper | undefined>((a, b) => a && a.at <= b.at ? a : b, undefined);
    if (!next || next.at > end) return false;
    this.#now = Math.max(this.#now, next.at);
    next.wake();
    return true;
  }
}
