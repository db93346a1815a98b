// How fast a line is, found out with the first bytes that a connection carries: no more of them are under way than a few buffers
// hold, so what the server has received by when tells. Later the buffers between here and there hide it (client/pace.ts).

import type { Clock } from "../core/clock.ts";
import { PROBE_BYTES } from "../core/limits.ts";

/** So much may be under way meanwhile (bytes). */
const WINDOW_BYTES = 512 << 10;
/** If fewer bytes had to be waited for, the line is faster than what is sent is made. */
const LEAST_BYTES = 256 << 10;

/** Measures one connection's line, once. */
export class Probe {
  readonly #clock: Clock;
  /** Whether it has all that it measures with, and whether anybody had to wait. */
  #isOver = false;
  #hasWaited = false;
  #received = 0;
  #sent = 0;
  /** When waiting began (ms), and what had been received then. */
  #since: { readonly at: number; readonly received: number } | undefined;
  /** What was received while it was waited for, and how long that took (ms). */
  #bytes = 0;
  #ms = 0;
  /** How much more often the server has waited than not. */
  #hungry = 0;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes how much has been sent in all. @returns A promise where no more is to be sent before it resolves. */
  sent(bytes: number): Promise<void> | undefined {
    this.#sent = bytes;
    if (this.#hasRoom) return undefined;
    this.#hasWaited = true;
    this.#since ??= { at: this.#clock.now(), received: this.#received };
    return (this.#room ??= Promise.withResolvers()).promise;
  }

  /**
   * Notes how much the server has received in all, and whether it has mostly waited for it.
   * @returns Bytes a second that the line takes, once that is known, if what was sent had to wait for it rather than for the server.
   */
  told(received: number, isHungry: boolean): number | undefined {
    if (this.#isOver) return undefined;
    this.#received = received;
    this.#hungry += isHungry ? 1 : -1;
    this.#isOver = received >= PROBE_BYTES;
    if (!this.#hasRoom) return undefined;
    this.end();
    return this.#isOver && this.#bytes >= LEAST_BYTES && this.#hungry > 0 ? this.#bytes * 1000 / this.#ms : undefined;
  }

  /** Whether it is not known yet how fast the line is, but that it has to be waited for. */
  get isWaited(): boolean {
    return this.#hasWaited && !this.#isOver;
  }

  /** Lets go on whoever waits. */
  end(): void {
    if (this.#since) {
      this.#ms += this.#clock.now() - this.#since.at;
      this.#bytes += this.#received - this.#since.received;
      this.#since = undefined;
    }
    this.#room?.resolve();
    this.#room = undefined;
  }

  get #hasRoom(): boolean {
    return this.#isOver || this.#sent - this.#received <= WINDOW_BYTES;
  }
}
