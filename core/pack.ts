// Messages packed for a slow line: zstd over a run of frames. Only what shrinks is packed, and what comes out is bounded before
// anything is unpacked.

import zlib from "node:zlib";
import { ProtocolError } from "./errors.ts";
import { MAX_MESSAGE_BYTES, MAX_PACK_BYTES } from "./limits.ts";

/** The name by which both sides agree on it. */
export const PACKING = "zstd";

/** A sample of so many bytes is tried first; if it does not shrink to this share, what it is of will not either. */
const SAMPLE_BYTES = 16 << 10;
const WORTH = 0.9;
/** Fewer bytes are not worth the call. */
const LEAST_BYTES = 256;

/** Rates (bytes a second) of the line below which packing at a level is quicker than sending. */
const LEVELS = [[4e6, 9], [16e6, 5], [32e6, 3]] as const;

/** Whether this runtime can pack. */
export const canPack = typeof zlib.zstdCompressSync === "function";

/** The level to pack with for a line of so many bytes a second; undefined where it is too fast for packing to pay. */
export function levelFor(rate: number): number | undefined {
  return LEVELS.find(([below]) => rate < below)?.[1];
}

/** `bytes` packed, or undefined if they hardly shrink, or are too many or too few to be packed. */
export function pack(bytes: Uint8Array, level: number): Uint8Array | undefined {
  if (bytes.length < LEAST_BYTES || bytes.length > MAX_PACK_BYTES) return undefined;
  if (bytes.length > 4 * SAMPLE_BYTES) {
    const middle = (bytes.length - SAMPLE_BYTES) >> 1;
    const sample = bytes.subarray(middle, middle + SAMPLE_BYTES);
    if (compress(sample, 1).length > WORTH * SAMPLE_BYTES) return undefined;
  }
  const packed = compress(bytes, level);
  return packed.length < WORTH * bytes.length && packed.length < MAX_MESSAGE_BYTES - 16 ? packed : undefined;
}

/**
 * The frames in what was packed, one after the other.
 * @param size What they have together, bytes.
 * @throws {ProtocolError} If that is not so, or they are no frames.
 */
export function* unpack(packed: Uint8Array, size: number): Generator<Uint8Array, void> {
  if (!canPack) throw new ProtocolError("Packed messages were not agreed on");
  let bytes: Uint8Array;
  try {
    const { buffer, byteOffset, length } = zlib.zstdDecompressSync(packed, { maxOutputLength: size });
    bytes = new Uint8Array(buffer, byteOffset, length);
  } catch (error) {
    throw new ProtocolError(`A pack cannot be unpacked: ${(error as Error).message}`, { cause: error });
  }
  if (bytes.length !== size) throw new ProtocolError("A pack has not the size that it says");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < size;) {
    const length = size - at < 4 ? 0 : view.getUint32(at);
    if (length === 0 || length > MAX_MESSAGE_BYTES || length > size - at - 4) {
      throw new ProtocolError("A pack holds a message that is not whole");
    }
    yield bytes.subarray(at + 4, at += 4 + length);
  }
}

function compress(bytes: Uint8Array, level: number): Uint8Array {
  return zlib.zstdCompressSync(bytes, { params: { [zlib.constants.ZSTD_c_compressionLevel]: level } });
}
