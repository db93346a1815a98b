// A network in memory between one client and one server: streams of bytes, which arrive in order but late, in pieces of any size,
// not at all for a while, or not at all any more, in the middle of a message.

import { DisconnectedError } from "../../core/errors.ts";
import { Inbox, type Link, Window } from "../../core/link.ts";
import type { Clock } from "../../core/clock.ts";
import type { Random } from "../support/seed.ts";

/** How a network treats what is sent over it. */
export interface Weather {
  /** Time from one end to the other (ms). */
  readonly latencyMs: number;
  /** Longest piece that arrives at once (bytes); Infinity for all that was sent at once. */
  readonly piece: number;
}

/** Joins ends, and breaks what it has joined. */
export class Network {
  readonly #clock: Clock;
  readonly #random: Random;
  #streams = new Set<Stream>();
  weather: Weather = { latencyMs: 0, piece: Infinity };

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Two ends joined. */
  join(): [Link, Link] {
    const there = new Stream(this.#clock, this.#random, this.weather);
    const back = new Stream(this.#clock, this.#random, this.weather);
    const streams = [there, back];
    for (const stream of streams) this.#streams.add(stream);
    const close = () => {
      for (const stream of streams) {
        stream.close();
        this.#streams.delete(stream);
      }
    };
    const end = (out: Stream, into: Stream): Link => ({
      send: (bytes) => out.send(bytes),
      receive: () => into.receive(),
      close,
    });
    return [end(there, back), end(back, there)];
  }

  /** Breaks all connections; of what is under way, a part still arrives. */
  cut(): void {
    for (const stream of this.#streams) stream.cut();
    this.#streams.clear();
  }

  /** Whether there is a connection. */
  get isJoined(): boolean {
    return this.#streams.size > 0;
  }

  /** Whether something is under way. */
  get isBusy(): boolean {
    return this.#streams.values().some((stream) => stream.isBusy);
  }

  /** Nothing arrives for so long. */
  stall(ms: number): void {
    for (const stream of this.#streams) stream.stall(this.#clock.now() + ms);
  }
}

/** One direction of a connection. */
class Stream {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #weather: Weather;
  readonly #window = new Window();
  readonly #inbox = new Inbox((bytes) => this.#window.release(bytes));
  #underWay: Uint8Array[] = [];
  #running = false;
  #closed = false;
  #stalledUntil = 0;

  constructor(clock: Clock, random: Random, weather: Weather) {
    this.#clock = clock;
    this.#random = random;
    this.#weather = weather;
  }

  send(bytes: Uint8Array): Promise<void> {
    if (this.#closed) return Promise.reject(new DisconnectedError("The connection is closed"));
    this.#underWay.push(bytes);
    this.#run();
    return this.#window.add(bytes.length);
  }

  get isBusy(): boolean {
    return this.#underWay.length > 0;
  }

  receive(): Promise<Uint8Array | undefined> {
    return this.#inbox.take();
  }

  stall(until: number): void {
    this.#stalledUntil = until;
  }

  /** What was sent still arrives. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    while (this.#underWay.length > 0) this.#deliver();
    this.#inbox.end();
    this.#window.fail(new DisconnectedError("The connection is closed"));
  }

  cut(): void {
    if (this.#closed) return;
    this.#closed = true;
    const [first] = this.#underWay;
    if (first && this.#random(2) === 0) this.#inbox.push(first.subarray(0, this.#random(first.length)));
    this.#underWay = [];
    const error = new DisconnectedError("The connection was cut");
    this.#inbox.end(this.#random(2) === 0 ? error : undefined);
    this.#window.fail(error);
  }

  async #run(): Promise<void> {
    const { latencyMs } = this.#weather;
    if (this.#running) return;
    this.#running = true;
    while (this.#underWay.length > 0) {
      const wait = Math.max(latencyMs, this.#stalledUntil - this.#clock.now());
      if (wait > 0) await this.#clock.sleep(wait);
      if (this.#stalledUntil > this.#clock.now()) continue;
      if (this.#underWay.length > 0) this.#deliver();
    }
    this.#running = false;
  }

  #deliver(): void {
    const bytes = this.#underWay.shift()!;
    const { piece } = this.#weather;
    for (let at = 0, length; at < bytes.length; at += length) {
      length = piece === Infinity ? bytes.length : 1 + this.#random(piece);
      this.#inbox.push(bytes.subarray(at, at + length));
    }
  }
}
