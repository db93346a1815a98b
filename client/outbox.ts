// Messages to the server in their order, also where what some say depends on an answer that is still on its way: these wait
// here, and what comes behind them does, while the next files are read already. So a question costs no pause, however far
// away the server is.

import type { RelPath } from "../core/path.ts";
import type { Sketched } from "../core/patch.ts";
import type { Digest, Problem } from "../core/types.ts";
import type { ClientMessage } from "../core/wire.ts";
import type { Remote } from "./remote.ts";

/** The part of a server that a push needs. */
export interface Outlet {
  /** Sends a message that has no answer. Returns a promise only where there is something to wait for. */
  send(message: ClientMessage): Promise<void> | undefined;
  /**
   * Sends messages that are known once `answer` is there, which it may be already, before whatever is sent from now on.
   * @param bytes Memory that they keep until then.
   * @returns A promise only where there is something to wait for: the answer is not.
   */
  sendAfter<T>(
    answer: Promise<T> | T,
    bytes: number,
    messages: (answer: T) => Iterable<ClientMessage>,
  ): Promise<void> | undefined;
  /** Which of these chunks the mirror holds: one bit each, the first in the lowest bit of the first byte. */
  ask(digests: Digest[]): Promise<Uint8Array>;
  /** Of what pieces these chunks of the mirror's file at `path` are; none if it is not there as it was. */
  sketch(path: RelPath, index: number, count: number): Promise<Sketched[]>;
  /** Lets what was sent go at once, rather than with what follows. */
  flush(): Promise<void>;
  /** Makes the steps sent since the last commit durable. Resolves with the paths that failed. */
  commit(): Promise<Problem[]>;
}

/** Takes everything and does nothing: for a dry run. */
export const nowhere: Outlet = {
  send: () => undefined,
  sendAfter: () => undefined,
  ask: (digests) => Promise.resolve(new Uint8Array(Math.ceil(digests.length / 8))),
  sketch: () => Promise.resolve([]),
  flush: () => Promise.resolve(),
  commit: () => Promise.resolve([]),
};

/** So much waits here (bytes of content, messages) before a sender has to. */
const WAITING_BYTES = 4 << 20;
const WAITING_MESSAGES = 4096;

/** What it needs of a connection. */
export type Line = Pick<Remote, "send" | "ask" | "sketch" | "flush" | "commit">;

interface Waiting {
  readonly bytes: number;
  /** Sends it. */
  readonly go: () => Promise<unknown> | undefined;
  /** Learns that it will never be sent. */
  readonly fail?: (error: unknown) => void;
}

/** What one connection's pushes send. */
export class Outbox implements Outlet {
  readonly #remote: Line;
  #waiting: Waiting[] = [];
  #bytes = 0;
  /** Why nothing goes out any more. */
  #error: unknown;
  /** Resolves when there is room again for more to wait. */
  #room: PromiseWithResolvers<void> | undefined;
  /** Resolves when the last commit that waits has gone: what is asked is meant of what is there then. */
  #committing: Promise<void> | undefined;

  constructor(remote: Line) {
    this.#remote = remote;
  }

  send(message: ClientMessage): Promise<void> | undefined {
    if (this.#error) throw this.#error;
    if (this.#waiting.length === 0) return this.#remote.send(message);
    // Whoever sends bytes may use their memory again.
    const kept = "bytes" in message ? { ...message, bytes: message.bytes.slice() } : message;
    return this.#wait({ bytes: "bytes" in kept ? kept.bytes.length : 0, go: () => this.#remote.send(kept) });
  }

  sendAfter<T>(
    answer: Promise<T> | T,
    bytes: number,
    messages: (answer: T) => Iterable<ClientMessage>,
  ): Promise<void> | undefined {
    if (this.#error) throw this.#error;
    const isThere = !(answer instanceof Promise);
    if (!isThere) answer.catch(() => {});
    const go = async () => {
      for (const message of messages(isThere ? answer : await answer)) {
        const sending = this.#remote.send(message);
        if (sending) await sending;
      }
    };
    return isThere && this.#waiting.length === 0 ? go() : this.#wait({ bytes, go });
  }

  ask(digests: Digest[]): Promise<Uint8Array> {
    return this.#afterCommits(() => this.#remote.ask(digests));
  }

  sketch(path: RelPath, index: number, count: number): Promise<Sketched[]> {
    return this.#afterCommits(() => this.#remote.sketch(path, index, count));
  }

  flush(): Promise<void> {
    return this.#waiting.length === 0 ? this.#remote.flush() : Promise.resolve();
  }

  commit(): Promise<Problem[]> {
    if (this.#error) return Promise.reject(this.#error);
    if (this.#waiting.length === 0) return this.#remote.commit();
    const problems = Promise.withResolvers<Problem[]>(), gone = Promise.withResolvers<void>();
    const go = () => {
      problems.resolve(this.#remote.commit());
      if (this.#committing === gone.promise) this.#committing = undefined;
      gone.resolve();
      return undefined;
    };
    this.#committing = gone.promise;
    this.#wait({ bytes: 0, go, fail: (error) => (gone.resolve(), problems.reject(error)) });
    return problems.promise;
  }

  #afterCommits<T>(ask: () => Promise<T>): Promise<T> {
    return this.#committing ? this.#committing.then(ask) : ask();
  }

  #wait(waiting: Waiting): Promise<void> | undefined {
    this.#waiting.push(waiting);
    this.#bytes += waiting.bytes;
    if (this.#waiting.length === 1) this.#drain();
    return this.#hasRoom ? undefined : (this.#room ??= Promise.withResolvers()).promise;
  }

  get #hasRoom(): boolean {
    return this.#bytes <= WAITING_BYTES && this.#waiting.length <= WAITING_MESSAGES;
  }

  async #drain(): Promise<void> {
    try {
      for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
        const going = first.go();
        if (going) await going;
        this.#waiting.shift();
        this.#bytes -= first.bytes;
        if (this.#hasRoom) this.#makeRoom();
      }
      await this.#remote.flush();
    } catch (error) {
      // Of what came behind, nothing may go: a commit would be of half a file. Whoever waits for room learns of it with what is sent next.
      this.#error = error;
      for (const { fail } of this.#waiting) fail?.(error);
      this.#waiting = [];
      this.#bytes = 0;
      this.#makeRoom();
    }
  }

  #makeRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}
