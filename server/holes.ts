// Holes: stretches of zeros that are not written.

import type { WritableFile } from "../core/fs.ts";

/** Of a file with holes, zeros are left out in blocks of so many bytes. */
const HOLE_BYTES = 4096;

/** Writes `bytes`, which come at `offset` of the file; with `sparse`, blocks of zeros become holes. */
export function writeParts(
  bytes: Uint8Array,
  offset: number,
  sparse: boolean,
  file: Pick<WritableFile, "write" | "skip">,
): void {
  if (!sparse) return file.write(bytes);
  // Holes are whole blocks of the file, but for the last one.
  const blockEnd = (at: number) => Math.min(bytes.length, at + HOLE_BYTES - (offset + at) % HOLE_BYTES);
  for (let at = 0, to; at < bytes.length; at = to) {
    const hole = isZeros(bytes, at, to = blockEnd(at));
    while (to < bytes.length && isZeros(bytes, to, blockEnd(to)) === hole) to = blockEnd(to);
    if (hole) file.skip(to - at);
    else file.write(bytes.subarray(at, to));
  }
}

function isZeros(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}
