// Cuts what a link receives into frames: a 32-bit big-endian length, then so many bytes (see core/wire.ts for what is in them).

import { DisconnectedError, ProtocolError } from "./errors.ts";
import { MAX_MESSAGE_BYTES } from "./limits.ts";
import type { Link } from "./link.ts";

/** Room to begin with (bytes). */
const FIRST_ROOM = 64 << 10;
/** Bytes of a frame's length. */
const HEAD_BYTES = 4;

/** Frames of a link, one after the other. */
export class FrameReader {
  /** What frames are taken from now, from `#at` to `#end`: what was received, where it lies, or `#joined`. */
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;
  #end = 0;
  /** What was received behind the frame in `#joined`. */
  #next: Uint8Array | undefined;
  /** A frame that came in pieces; one for all, as memory that is new each time is slow to touch. */
  #joined = new Uint8Array(FIRST_ROOM);
  /** Bytes received so far. */
  received = 0;

  constructor(readonly link: Link) {}

  /**
   * The next frame (type and body) if it is here already; a view, valid until the next call.
   * @throws {ProtocolError} If its length is impossible.
   */
  take(): Uint8Array | undefined {
    if (this.#at === this.#end && this.#next) this.#takeFrom(this.#next);
    const length = lengthOf(this.#bytes, this.#at, this.#end);
    if (length === undefined || this.#end - this.#at < HEAD_BYTES + length) return undefined;
    const from = this.#at + HEAD_BYTES;
    this.#at = from + length;
    return this.#bytes.subarray(from, this.#at);
  }

  /**
   * Waits until there is a frame.
   * @returns Whether there is one; false is the end.
   * @throws {DisconnectedError} If the connection broke, or ended within a frame.
   * @throws {ProtocolError} If a frame's length is impossible.
   */
  async fill(): Promise<boolean> {
    let have = 0;
    const join = (bytes: Uint8Array, most: number): Uint8Array => {
      const part = bytes.subarray(0, Math.max(0, most - have));
      this.#room(have + part.length);
      this.#joined.set(part, have);
      have += part.length;
      return bytes.subarray(part.length);
    };
    join(this.#bytes.subarray(this.#at, this.#end), Infinity);
    for (;;) {
      const bytes = await this.link.receive();
      if (!bytes) {
        if (have > 0) throw new DisconnectedError("The connection ended in the middle of a message");
        return false;
      }
      this.received += bytes.length;
      if (have === 0 && isWhole(bytes)) {
        this.#takeFrom(bytes);
        return true;
      }
      // No more of it is copied than the frame that has begun.
      const behindHead = join(bytes, HEAD_BYTES);
      const length = lengthOf(this.#joined, 0, have);
      if (length === undefined) continue;
      const behind = join(behindHead, HEAD_BYTES + length);
      if (have < HEAD_BYTES + length) continue;
      this.#takeFrom(this.#joined.subarray(0, have), behind);
      return true;
    }
  }

  #takeFrom(bytes: Uint8Array, next?: Uint8Array): void {
    this.#bytes = bytes;
    this.#at = 0;
    this.#end = bytes.length;
    this.#next = next;
  }

  #room(length: number): void {
    if (length <= this.#joined.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#joined.length, length));
    larger.set(this.#joined);
    this.#joined = larger;
  }
}

/** Whether there is a whole frame at the beginning. */
function isWhole(bytes: Uint8Array): boolean {
  const length = lengthOf(bytes, 0, bytes.length);
  return length !== undefined && bytes.length >= HEAD_BYTES + length;
}

/** The length of the frame that begins at `at`, or undefined where that is not here yet. */
function lengthOf(b: Uint8Array, at: number, end: number): number | undefined {
  if (end - at < HEAD_BYTES) return undefined;
  const length = b[at]! * 2 ** 24 + (b[at + 1]! << 16) + (b[at + 2]! << 8) + b[at + 3]!;
  if (length === 0 || length > MAX_MESSAGE_BYTES) {
    throw new ProtocolError(`A message of ${length} bytes is not possible`);
  }
  return length;
}
