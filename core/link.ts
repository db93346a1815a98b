// A two-way stream of bytes with backpressure: what the engines talk through. Behind it is a socket, a port to a Worker,
// or (in tests) nothing but memory; the engines do not know. Where one buffer ends means nothing.

import { DisconnectedError } from "./errors.ts";
import { LINK_WINDOW_BYTES } from "./limits.ts";

/** One end of a connection. */
export interface Link {
  /**
   * Sends bytes; the buffer belongs to the link from now on. Resolves when there is room for more. Returns undefined where they have
   * gone already: the buffer is the sender's again.
   * @throws {DisconnectedError} When the connection is gone.
   */
  send(bytes: Uint8Array<ArrayBuffer>): Promise<void> | undefined;
  /**
   * The next bytes, valid until the next call, or undefined once the other end has closed.
   * @throws {DisconnectedError} When it broke.
   */
  receive(): Promise<Uint8Array | undefined>;
  /** Ends the connection in both directions; what was sent before still arrives. Idempotent. */
  close(): void;
  /** Gives the connection to another thread of this process, where it can be given. Nothing but `close` is to be called then. */
  readonly handOver?: () => Handover | undefined;
}

/** A connection that is given to another thread. */
export interface Handover {
  /** A handle of its socket; whoever takes it closes it. */
  readonly handle: number;
  /** Resolves when the connection has been ended on this side. */
  readonly closed: Promise<void>;
}

/** Received bytes that nobody has asked for yet. Calls `taken` with the length of each buffer that is taken. */
export class Inbox {
  #buffers: Uint8Array[] = [];
  /** Those taken already; to shift a long array costs its length. */
  #at = 0;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(readonly taken: (bytes: number) => void = () => {}) {}

  push(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#buffers.push(bytes);
    this.#wake?.();
  }

  /** No more will come; with an error, because the connection broke. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }

  get ended(): boolean {
    return this.#ended;
  }

  async take(): Promise<Uint8Array | undefined> {
    for (;;) {
      const bytes = this.#buffers[this.#at];
      if (bytes) {
        this.#at++;
        if (this.#at * 2 >= this.#buffers.length) {
          this.#buffers = this.#buffers.slice(this.#at);
          this.#at = 0;
        }
        this.taken(bytes.length);
        return bytes;
      }
      if (this.#error) throw this.#error;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
  }
}

/** How much is under way, and a place to wait until there is room. */
export class Window {
  #used = 0;
  #error: Error | undefined;
  #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(readonly size: number = LINK_WINDOW_BYTES) {}

  /** Adds `bytes` that are under way now. @throws {Error} What `fail` was called with. */
  async add(bytes: number): Promise<void> {
    if (this.#error) throw this.#error;
    this.#used += bytes;
    if (this.#used > this.size) {
      await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    }
  }

  /** `bytes` have arrived. */
  release(bytes: number): void {
    this.#used -= bytes;
    if (this.#used > this.size) return;
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  /** Nothing will arrive any more: whoever waits, or comes to wait, gets `error`. */
  fail(error: Error): void {
    this.#error ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

/** Two ends joined in memory. */
export function pipe(windowBytes?: number): [Link, Link] {
  const windows = [new Window(windowBytes), new Window(windowBytes)] as const;
  const inboxes = windows.map((window) => new Inbox((bytes) => window.release(bytes)));
  const close = () => {
    for (const inbox of inboxes) inbox.end();
    for (const window of windows) window.fail(new DisconnectedError("The connection is closed"));
  };
  const end = (mine: number, other: number): Link => ({
    send: (bytes) => {
      if (inboxes[other]!.ended) return Promise.reject(new DisconnectedError("The connection is closed"));
      inboxes[other]!.push(bytes);
      return windows[other]!.add(bytes.length);
    },
    receive: () => inboxes[mine]!.take(),
    close,
  });
  return [end(0, 1), end(1, 0)];
}

/** Passes bytes from each link to the other until either ends, then closes both. */
export async function relay(a: Link, b: Link): Promise<void> {
  const pass = async (from: Link, to: Link) => {
    try {
      for (let bytes = await from.receive(); bytes; bytes = await from.receive()) {
        await to.send(bytes as Uint8Array<ArrayBuffer>);
      }
    } catch (error) {
      if (!(error instanceof DisconnectedError)) throw error;
    } finally {
      from.close();
      to.close();
    }
  };
  await Promise.all([pass(a, b), pass(b, a)]);
}
