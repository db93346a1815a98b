// What Linux says of an entry: `struct statx` (linux/stat.h) as a Stat.

import type { Stat } from "./fs.ts";
import { C } from "./libc.ts";

/** Stretches of the struct in which something is that we look at, in bytes from its beginning. */
export const STATX = {
  /** Names, owner, mode, inode, size. */
  what: { at: 16, bytes: 32 },
  /** Bytes on the disk. */
  blocks: { at: 48, bytes: 8 },
  /** When its status, and when it, was changed. */
  times: { at: 96, bytes: 32 },
  device: { at: 136, bytes: 8 },
} as const;

/** Where these stretches are: offsets in a DataView, for `blocks` and `device` in another one. */
export interface StatxPlaces {
  readonly view: DataView;
  readonly what: number;
  readonly times: number;
  readonly beside: DataView;
  readonly blocks: number;
  readonly device: number;
}

/** The mode in a stretch `what`, with the bits that tell the kind. */
export function modeAt(view: DataView, what: number): number {
  return view.getUint16(what + 12, true);
}

/** What a struct says. */
export function statAt({ view, what, times, beside, blocks, device }: StatxPlaces): Stat {
  const mode = modeAt(view, what);
  const type = mode & C.S_IFMT;
  const kind = type === C.S_IFREG ? "file" : type === C.S_IFDIR ? "dir" : type === C.S_IFLNK ? "symlink" : "other";
  const size = number(view, what + 24);
  return {
    kind,
    mode: mode & 0o7777,
    uid: view.getUint32(what + 4, true),
    gid: view.getUint32(what + 8, true),
    size,
    allocated: Math.min(size, number(beside, blocks) * 512),
    mtimeNs: time(view, times + 16),
    ctimeNs: time(view, times),
    ino: view.getBigUint64(what + 16, true),
    dev: BigInt(beside.getUint32(device, true) * 2 ** 20 + beside.getUint32(device + 4, true)),
    nlink: view.getUint32(what, true),
  };
}

function time(view: DataView, at: number): bigint {
  return view.getBigInt64(at, true) * 1_000_000_000n + BigInt(view.getUint32(at + 8, true));
}

/** A 64-bit number below 2^53. */
function number(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}
