import { assert, assertEquals } from "@std/assert";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { BUFFER_BYTES, LINK_WINDOW_BYTES } from "../../core/limits.ts";
import { socketLink } from "../../core/socket_link.ts";

/** A socket whose other end is the test. */
class FakeSocket extends EventEmitter {
  destroyed = false;
  #paused = false;
  setNoDelay(): this {
    return this;
  }
  isPaused(): boolean {
    return this.#paused;
  }
  pause(): this {
    this.#paused = true;
    return this;
  }
  resume(): this {
    this.#paused = false;
    return this;
  }
  destroySoon(): void {
    this.destroyed = true;
  }
}

Deno.test("what nobody takes is not read from the socket beyond a window, however large or small its pieces are", async () => {
  for (const size of [1, 1000, 1 << 20]) {
    const socket = new FakeSocket();
    const link = socketLink(socket as unknown as Socket, new Uint8Array());
    // One is waited for.
    const first = link.receive();
    socket.emit("data", new Uint8Array(size));
    await first;
    let pieces = 0;
    for (; !socket.isPaused() && pieces * (size + BUFFER_BYTES) < 4 * LINK_WINDOW_BYTES; pieces++) {
      socket.emit("data", new Uint8Array(size));
    }
    assert(socket.isPaused(), `${pieces} pieces of ${size} bytes were read`);
    // It goes on when there is room, and nothing is lost.
    for (let i = 0; i < pieces; i++) assertEquals((await link.receive())!.length, size);
    assert(!socket.isPaused());
    link.close();
    assertEquals([socket.destroyed, await link.receive()], [true, undefined]);
  }
});
