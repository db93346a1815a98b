// A Link over the handle of a socket, by the system's own calls, in the thread of the engine: no other thread and no copy lies
// between the engine and the kernel.

import { atNextTurn } from "./clock.ts";
import { DisconnectedError } from "./errors.ts";
import { E, errorOf, type Libc } from "./libc.ts";
import { type Link, Window } from "./link.ts";
import { pollfds, POLLIN, POLLOUT } from "./pollfd.ts";

const MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000, SHUT_RDWR = 2;
/** Where what is received lies; page-aligned. */
const PAGES = 16;
/** After so many buffers without a wait the event loop gets its turn: there is more in this thread than one connection. */
const BUFFERS_A_TURN = 8;

/**
 * Takes the handle of a stream socket over, and closes it in the end.
 * @param onClosed Called once when that has happened.
 */
export function handleLink(handle: number, libc: Libc, onClosed: () => void): Link {
  return new HandleLink(handle, libc, onClosed);
}

class HandleLink implements Link {
  readonly #handle: number;
  readonly #libc: Libc;
  readonly #onClosed: () => void;
  readonly #received = new Uint8Array(new WebAssembly.Memory({ initial: PAGES }).buffer);
  /** What the kernel had no room for yet. */
  readonly #queue: Uint8Array<ArrayBuffer>[] = [];
  readonly #window = new Window();
  /** Whether somebody waits until the kernel has room. */
  #draining = false;
  /** How often it is being waited for the kernel: as long as it looks at the handle, that stays open. */
  #waiting = 0;
  /** Whether nobody wants anything of it any more, and whether it is shut. */
  #ended = false;
  #shut = false;
  #closed = false;
  #buffers = 0;

  constructor(handle: number, libc: Libc, onClosed: () => void) {
    this.#handle = handle;
    this.#libc = libc;
    this.#onClosed = onClosed;
  }

  send(bytes: Uint8Array<ArrayBuffer>): Promise<void> | undefined {
    if (this.#ended) return Promise.reject(new DisconnectedError("The connection is closed"));
    this.#queue.push(bytes);
    const room = this.#window.add(bytes.length);
    const isGone = this.#pump();
    return isGone ? undefined : room;
  }

  async receive(): Promise<Uint8Array | undefined> {
    const { call } = this.#libc;
    if (++this.#buffers % BUFFERS_A_TURN === 0) await new Promise<void>(atNextTurn);
    while (!this.#ended) {
      const got = call.recv(this.#handle, this.#received, this.#received.length, MSG_DONTWAIT);
      if (got > 0) return this.#received.subarray(0, got);
      if (got === 0) return undefined;
      const errno = this.#libc.errno();
      if (errno === E.EAGAIN) await this.#ready(POLLIN);
      else if (errno !== E.EINTR) throw broken(errno, "recv");
    }
    return undefined;
  }

  close(): void {
    // Who asks again does not wait for what a peer that reads nothing would have to read first.
    if (this.#ended) return this.#shutDown();
    this.#ended = true;
    this.#window.fail(new DisconnectedError("The connection is closed"));
    if (this.#queue.length === 0) this.#shutDown();
  }

  /** Gives the kernel what it has room for. @returns Whether that was all. */
  #pump(): boolean {
    for (let bytes = this.#queue[0]; bytes && !this.#shut; bytes = this.#queue[0]) {
      const sent = this.#libc.call.send(this.#handle, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0) {
        const errno = this.#libc.errno();
        if (errno === E.EINTR) continue;
        if (errno === E.EAGAIN) this.#drain();
        else this.#fail(broken(errno, "send"));
        return false;
      }
      if (sent === bytes.length) this.#queue.shift();
      else this.#queue[0] = bytes.subarray(sent);
      this.#window.release(sent);
    }
    if (this.#ended) this.#shutDown();
    return true;
  }

  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    await this.#ready(POLLOUT);
    this.#draining = false;
    this.#pump();
  }

  #fail(error: Error): void {
    this.#queue.length = 0;
    this.#window.fail(error);
    if (this.#ended) this.#shutDown();
  }

  /** Waits until the kernel has something, or room for something, or the connection is over. */
  async #ready(events: number): Promise<void> {
    if (this.#shut) return;
    this.#waiting++;
    await this.#libc.call.poll(pollfds([this.#handle, events]), 1, -1);
    this.#waiting--;
    this.#closeHandle();
  }

  #shutDown(): void {
    if (this.#shut) return;
    this.#shut = true;
    this.#queue.length = 0;
    // Wakes whoever waits for the kernel.
    this.#libc.call.shutdown(this.#handle, SHUT_RDWR);
    this.#closeHandle();
  }

  #closeHandle(): void {
    if (!this.#shut || this.#waiting > 0 || this.#closed) return;
    this.#closed = true;
    this.#libc.call.close(this.#handle);
    this.#onClosed();
  }
}

function broken(errno: number, call: string): DisconnectedError {
  const cause = errorOf(errno, call, "the connection");
  return new DisconnectedError(cause.message, { cause });
}
