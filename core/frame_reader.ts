// Cuts what a link receives into frames: a 32-bit big-endian length, then so many bytes (see core/wire.ts for what is in them).

import { DisconnectedError, ProtocolError } from "./errors.ts";
import { MAX_MESSAGE_BYTES } from "./limits.ts";
import type { Link } from "./link.ts";

/** Room to begin with (bytes). */
const FIRST_ROOM = 64 << 10;

/** Frames of a link, one after the other. */
export class FrameReader {
  /** One for all that comes: memory that is new each time is slow to touch. What is read lies from `#at` to `#end`. */
  #buffer = new Uint8Array(FIRST_ROOM);
  #at = 0;
  #end = 0;
  /** Bytes received so far. */
  received = 0;

  constructor(readonly link: Link) {}

  /**
   * The next frame (type and body) if it is here already; a view, valid until the next call.
   * @throws {ProtocolError} If its length is impossible.
   */
  take(): Uint8Array | undefined {
    const have = this.#end - this.#at;
    if (have < 4) return undefined;
    const length = this.#length();
    if (have < 4 + length) return undefined;
    const from = this.#at + 4;
    this.#at = from + length;
    return this.#buffer.subarray(from, this.#at);
  }

  /**
   * Waits for more bytes, for a whole frame where one has begun.
   * @returns Whether there were any; false is the end.
   * @throws {DisconnectedError} If the connection broke, or ended within a frame.
   */
  async fill(): Promise<boolean> {
    this.#buffer.copyWithin(0, this.#at, this.#end);
    this.#end -= this.#at;
    this.#at = 0;
    const want = this.#end < 4 ? this.#end + 1 : 4 + this.#length();
    while (this.#end < want) {
      const bytes = await this.link.receive();
      if (!bytes) {
        if (this.#end > 0) throw new DisconnectedError("The connection ended in the middle of a message");
        return false;
      }
      this.received += bytes.length;
      this.#room(bytes.length);
      this.#buffer.set(bytes, this.#end);
      this.#end += bytes.length;
    }
    return true;
  }

  #room(more: number): void {
    if (this.#end + more <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#buffer.length, this.#end + more));
    larger.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = larger;
  }

  #length(): number {
    const b = this.#buffer, i = this.#at;
    const length = b[i]! * 2 ** 24 + (b[i + 1]! << 16) + (b[i + 2]! << 8) + b[i + 3]!;
    if (length === 0 || length > MAX_MESSAGE_BYTES) {
      throw new ProtocolError(`A message of ${length} bytes is not possible`);
    }
    return length;
  }
}
