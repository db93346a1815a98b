// Rows of the index, and what they say: cells of SQLite <-> entries of the tree.

import { fromBytes, toBytes } from "./path.ts";
import type { Attributes, Digest, Entry, Kind } from "./types.ts";

/** Kinds of entries; a row has their number. */
export const KINDS: readonly Kind[] = ["dir", "file", "symlink"];

/** What lstat said when a row was true on this machine's disk. A later lstat that says the same proves that it still is. */
export interface Seen {
  readonly ino: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seen so soon after the last change that a further change could have left the times as they are. */
  readonly racy: boolean;
}

/** An entry of the tree and where it hangs. */
export interface Node {
  readonly id: number;
  readonly parent: number;
  readonly name: string;
  readonly entry: Entry;
  /** A directory's Merkle hash, if it is known now. */
  readonly hash: Digest | undefined;
  readonly seen: Seen | undefined;
}

/** What `nodeOf` wants of a row. */
export const COLUMNS = "id, parent, name, kind, mode, mtime, uid, gid, link, xattrs, size, average, content, " +
  "ino, seen_mtime, seen_ctime, seen_mode, seen_uid, seen_gid, racy";

type Cells = [
  id: bigint,
  parent: bigint,
  name: string | Uint8Array,
  kind: bigint,
  mode: bigint,
  mtime: bigint,
  uid: bigint,
  gid: bigint,
  link: bigint,
  xattrs: Uint8Array | null,
  size: bigint,
  average: bigint,
  content: Uint8Array | null,
  ino: bigint,
  seenMtime: bigint,
  seenCtime: bigint,
  seenMode: bigint,
  seenUid: bigint,
  seenGid: bigint,
  racy: bigint,
];
/** The entry that a row of `COLUMNS` says. */
export function nodeOf(row: unknown): Node | undefined {
  if (row === undefined) return undefined;
  const [id, parent, name, kind, mode, mtimeNs, uid, gid, link, xattrs, size, average, content, ...seen] = row as Cells;
  const attributes = {
    mode: Number(mode),
    mtimeNs,
    uid: Number(uid),
    gid: Number(gid),
    link: Number(link),
    xattrs: xattrs ? bytesToHex(xattrs) : "",
  };
  const isDir = kind === 0n;
  const entry: Entry = isDir
    ? { kind: "dir", ...attributes }
    : kind === 1n
    ? { kind: "file", ...attributes, size: Number(size), average: Number(average), content: bytesToHex(content!) }
    : { kind: "symlink", ...attributes, target: fromBytes(content!) };
  const [ino, seenMtime, seenCtime, seenMode, seenUid, seenGid, racy] = seen;
  return {
    id: Number(id),
    parent: Number(parent),
    name: textOf(name),
    entry,
    hash: isDir && content ? bytesToHex(content) : undefined,
    seen: ino === 0n && seenMtime === 0n ? undefined : {
      ino: fromCell(ino),
      mtimeNs: seenMtime,
      ctimeNs: seenCtime,
      mode: Number(seenMode),
      uid: Number(seenUid),
      gid: Number(seenGid),
      racy: racy === 1n,
    },
  };
}

/** Cells of mode, mtime, uid, gid, link and xattrs. */
export function attributeCells(a: Attributes): [number, bigint, number, number, number, Uint8Array | null] {
  return [a.mode, a.mtimeNs, a.uid, a.gid, a.link, a.xattrs === "" ? null : hexToBytes(a.xattrs)];
}

/** Cells of what was seen. */
export function seenCells(seen: Seen | undefined): (number | bigint)[] {
  if (!seen) return [0, 0, 0, 0, 0, 0, 0];
  return [toCell(seen.ino), seen.mtimeNs, seen.ctimeNs, seen.mode, seen.uid, seen.gid, seen.racy ? 1 : 0];
}

/** Inode numbers have 64 bits without a sign, SQLite's integers 64 with one. */
export function toCell(ino: bigint): bigint {
  return BigInt.asIntN(64, ino);
}

function fromCell(cell: bigint): bigint {
  return BigInt.asUintN(64, cell);
}

/** SQLite's text is UTF-8: a name that is not goes in as its bytes. */
export function cellOf(name: string): string | Uint8Array {
  return name.isWellFormed() ? name : toBytes(name);
}

export function textOf(cell: string | Uint8Array): string {
  return typeof cell === "string" ? cell : fromBytes(cell);
}

export function hexToBytes(hex: string): Uint8Array {
  return Uint8Array.fromHex(hex);
}

export function bytesToHex(bytes: Uint8Array): string {
  return bytes.toHex();
}
