// Bytes out of numbers and texts, and back. The reader checks every length before it uses it; whatever it is given, the
// only error that comes out is a ProtocolError.

import { ProtocolError } from "./errors.ts";
import { fromBytes, toBytes } from "./path.ts";
import { MAX_TEXT_BYTES } from "./limits.ts";

/** Appends to a buffer that grows. */
export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #spare: Uint8Array<ArrayBuffer> | undefined;
  length = 0;

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** The bytes so far, which now belong to the caller; the writer starts again. */
  take(): Uint8Array<ArrayBuffer> {
    // A copy of what is used is cheaper than sending an almost empty buffer to another thread.
    const whole = this.length > this.#bytes.length / 2;
    const taken = whole ? this.#bytes.subarray(0, this.length) : this.#bytes.slice(0, this.length);
    if (whole) {
      this.#bytes = this.#spare ?? new Uint8Array(this.#bytes.length);
      this.#spare = undefined;
      this.#view = new DataView(this.#bytes.buffer);
    }
    this.length = 0;
    return taken;
  }

  /** What was taken is not needed any more: memory that is new each time is slow to touch. */
  giveBack(taken: Uint8Array<ArrayBuffer>): void {
    if (taken.buffer.byteLength === this.#bytes.length) this.#spare = new Uint8Array(taken.buffer);
  }

  /** A view of the bytes so far. */
  peek(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.length);
  }

  u8(value: number): void {
    this.#room(1);
    this.#bytes[this.length++] = value;
  }

  u32(value: number): void {
    this.#room(4);
    this.#view.setUint32(this.length, value);
    this.length += 4;
  }

  /** Overwrites four bytes written before. */
  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value);
  }

  /** An unsigned whole number up to 2^53 - 1 as LEB128: 1 byte below 128, 2 below 16,384, ... */
  uint(value: number): void {
    this.#room(8);
    while (value > 127) {
      this.#bytes[this.length++] = value % 128 + 128;
      value = Math.floor(value / 128);
    }
    this.#bytes[this.length++] = value;
  }

  /** A time in ns since the epoch. */
  time(value: bigint): void {
    this.#room(8);
    this.#view.setBigInt64(this.length, value);
    this.length += 8;
  }

  /** A 32-byte digest given in hexadecimal. */
  digest(hex: string): void {
    this.#room(32);
    this.length += this.#bytes.subarray(this.length, this.length + 32).setFromHex(hex).written;
  }

  /** Raw bytes, without a length. */
  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A name, path or text with its length in front. */
  text(text: string): void {
    const bytes = toBytes(text);
    this.uint(bytes.length);
    this.raw(bytes);
  }

  #room(more: number): void {
    if (this.length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + more));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Reads what a Writer wrote, from somebody who need not mean well. */
export class Reader {
  #at = 0;
  readonly #view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.#at;
  }

  u8(): number {
    return this.bytes[this.#skip(1)]!;
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4));
  }

  /** @param most Largest value that is allowed. */
  uint(most: number = Number.MAX_SAFE_INTEGER): number {
    let value = 0;
    for (let scale = 1, i = 0; i < 8; i++, scale *= 128) {
      const byte = this.u8();
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (byte === 0 && i > 0) throw new ProtocolError("A number is not in its shortest form");
        if (value > most) throw new ProtocolError(`A number is too large: ${value}, at most ${most}`);
        return value;
      }
    }
    throw new ProtocolError("A number is too long");
  }

  /** How many follow, of a byte at least each: nobody makes room for more than can have come. */
  count(most: number): number {
    return this.uint(Math.min(most, this.left));
  }

  time(): bigint {
    return this.#view.getBigInt64(this.#skip(8));
  }

  digest(): string {
    return this.raw(32).toHex();
  }

  /** A view of the next bytes. */
  raw(length: number): Uint8Array {
    const at = this.#skip(length);
    return this.bytes.subarray(at, at + length);
  }

  text(mostBytes: number = MAX_TEXT_BYTES): string {
    return fromBytes(this.raw(this.uint(mostBytes)));
  }

  /** @throws {ProtocolError} If anything is left. */
  end(): void {
    if (this.left > 0) throw new ProtocolError(`A message has ${this.left} bytes too many`);
  }

  #skip(length: number): number {
    const at = this.#at;
    if (length > this.bytes.length - at) throw new ProtocolError("A message ends too early");
    this.#at = at + length;
    return at;
  }
}
