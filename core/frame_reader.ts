// Cuts what a link receives into frames: a 32-bit big-endian length, then so many bytes (see core/wire.ts for what is in them).

import { DisconnectedError, ProtocolError } from "./errors.ts";
import { MAX_MESSAGE_BYTES } from "./limits.ts";
import type { Link } from "./link.ts";

/** Frames of a link, one after the other. */
export class FrameReader {
  #buffer: Uint8Array = new Uint8Array();
  #at = 0;
  /** Bytes received so far. */
  received = 0;

  constructor(readonly link: Link) {}

  /**
   * The next frame (type and body) if it is here already; a view, valid until the next call.
   * @throws {ProtocolError} If its length is impossible.
   */
  take(): Uint8Array | undefined {
    const have = this.#buffer.length - this.#at;
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
    const parts = this.#at < this.#buffer.length ? [this.#buffer.subarray(this.#at)] : [];
    let have = this.#buffer.length - this.#at;
    const want = have < 4 ? have + 1 : 4 + this.#length();
    while (have < want) {
      const bytes = await this.link.receive();
      if (!bytes) {
        if (have > 0) throw new DisconnectedError("The connection ended in the middle of a message");
        return false;
      }
      this.received += bytes.length;
      parts.push(bytes);
      have += bytes.length;
    }
    this.#buffer = parts.length === 1 ? parts[0]! : join(parts, have);
    this.#at = 0;
    return true;
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

function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
