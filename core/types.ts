// The nouns of dirsync. Every stage speaks in these; none of them does I/O.

import type { RelPath } from "./path.ts";

/** What an entry of a mirrored tree can be. */
export type Kind = "dir" | "file" | "symlink";

/** A SHA-256 digest as 64 lower-case hexadecimal digits. */
export type Digest = string;

/**
 * What a file is made of: the length in bytes and the digest of each of its chunks, in order.
 * `average` is the class they were cut with (bytes, a power of two); it is part of the file's identity.
 */
export interface Recipe {
  readonly average: number;
  readonly lengths: readonly number[];
  readonly digests: readonly Digest[];
}

/** What entries of every kind have beside their content; with it, all that promise P1 compares. */
export interface Attributes {
  /** Permission bits, 0..0o7777; 0o777 of symbolic links. */
  readonly mode: number;
  /** Modification time, ns since the epoch. */
  readonly mtimeNs: bigint;
  /** Owner, as the source numbers its users; NO_ID (core/fs.ts) where it has none. */
  readonly uid: number;
  /** Group, as the source numbers its groups. */
  readonly gid: number;
  /** Digest of the extended attributes (core/xattrs.ts); "" for none. */
  readonly xattrs: Digest | "";
  /** A number that all names of one file (or symbolic link) have in common and no other; 0 for what has one name. */
  readonly link: number;
}

/** Whether two entries have the same attributes. */
export function sameAttributes(a: Attributes, b: Attributes): boolean {
  return a.mtimeNs === b.mtimeNs && a.link === b.link && sameButTime(a, b);
}

/** Whether they differ, if at all, only in what every change in a directory changes. */
export function sameButTime(a: Attributes, b: Attributes): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && a.xattrs === b.xattrs;
}

/** A directory. */
export interface DirEntry extends Attributes {
  readonly kind: "dir";
}

/** A regular file. `content` identifies its recipe (see `contentOf`), `average` is that recipe's class. */
export interface FileEntry extends Attributes {
  readonly kind: "file";
  readonly size: number;
  readonly average: number;
  readonly content: Digest;
}

/** A symbolic link; `target` is the text of the link, never followed. */
export interface SymlinkEntry extends Attributes {
  readonly kind: "symlink";
  readonly target: string;
}

/** What a mirror holds under one path: everything that promise P1 compares. */
export type Entry = DirEntry | FileEntry | SymlinkEntry;

/**
 * One step of a plan, in the order in which the mirror carries it out. Slots are numbered places in the mirror's private
 * folder where entries wait whose own place is needed before theirs is free (two files that swap names, say).
 */
export type Step =
  | { readonly op: "mkdir"; readonly path: RelPath; readonly entry: DirEntry }
  /** Creates or replaces a file; its content has been staged before. */
  | { readonly op: "file"; readonly path: RelPath; readonly entry: FileEntry }
  | { readonly op: "symlink"; readonly path: RelPath; readonly entry: SymlinkEntry }
  /** Makes `path` another name of the file or symbolic link at `to`. */
  | { readonly op: "link"; readonly path: RelPath; readonly to: RelPath }
  /** Sets the attributes of an entry that is there (of the root too); content and target stay. */
  | { readonly op: "meta"; readonly path: RelPath; readonly attributes: Attributes }
  /** Renames an entry, directories with all that is in them; a file or symlink at `to` is replaced in the same instant. */
  | { readonly op: "move"; readonly from: RelPath; readonly to: RelPath }
  /** Keeps an entry in a slot. With `stays`, a file remains visible under its path until it is replaced. */
  | { readonly op: "park"; readonly path: RelPath; readonly slot: number; readonly stays: boolean }
  /** Brings back what a slot holds, or what is at `below` in the directory that it holds. */
  | { readonly op: "unpark"; readonly slot: number; readonly below: RelPath; readonly to: RelPath }
  /** Removes an entry, directories with all that is in them. */
  | { readonly op: "remove"; readonly path: RelPath }
  /** Removes what a slot holds. */
  | { readonly op: "drop"; readonly slot: number };

/** One path that could not be mirrored. It is retried; everything else goes on. */
export interface Problem {
  readonly path: RelPath;
  /** One sentence without a period: what is wrong and, where it is not obvious, what to do. */
  readonly message: string;
}
