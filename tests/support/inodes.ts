// What a file system in memory is made of.

import type { Xattrs } from "../../core/fs.ts";

/** What all kinds of entries have. */
export interface Inode {
  readonly dev: bigint;
  readonly ino: bigint;
  mode: number;
  uid: number;
  gid: number;
  mtimeNs: bigint;
  ctimeNs: bigint;
  nlink: number;
  /** How often it is open. */
  open: number;
  xattrs: Xattrs;
}

/** A directory. */
export interface DirNode extends Inode {
  readonly kind: "dir";
  readonly children: Map<string, Node>;
}

/** A file. */
export interface FileNode extends Inode {
  readonly kind: "file";
  /** The content and room to grow. */
  bytes: Uint8Array<ArrayBuffer>;
  size: number;
  /** Bytes in holes. */
  skipped: number;
}

/** A symbolic link. */
export interface LinkNode extends Inode {
  readonly kind: "symlink";
  readonly target: string;
}

/** A FIFO, say. */
export interface OtherNode extends Inode {
  readonly kind: "other";
}

/** Whatever a name may stand for. */
export type Node = DirNode | FileNode | LinkNode | OtherNode;

/** One name and what it stands for, before and after a change. */
export interface NameChange {
  readonly dir: DirNode;
  readonly name: string;
  readonly before: Node | undefined;
  readonly after: Node | undefined;
}

/** The disk below a file system: what it is told of is what a power cut may take away. */
export interface Disk {
  /** Names have changed, all in one instant. */
  named(changes: readonly NameChange[]): void;
  /** Content or attributes of `node` are about to change. */
  changing(node: Node): void;
  /** Content and attributes of `node` are on the disk. */
  synced(node: Node): void;
  /** So are the names in `dir`. */
  syncedNames(dir: DirNode): void;
  /** So is everything. */
  syncedAll(): void;
}

/** A disk that loses nothing. */
export const steadyDisk: Disk = {
  named: () => {},
  changing: () => {},
  synced: () => {},
  syncedNames: () => {},
  syncedAll: () => {},
};
