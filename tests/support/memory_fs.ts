// A file system in memory that behaves as a POSIX one does: inodes, hard links, times kept to the nanosecond, the same
// errors. Nothing in it depends on chance or on the real clock. Unlike POSIX it refuses (ENOTDIR) a symbolic link in the
// middle of a path, and it does not check permissions: it is like a disk seen by root.

import { createHash } from "node:crypto";
import { ProblemError } from "../../core/errors.ts";
import {
  BLOCK_BYTES,
  type FileSystem,
  type FsFeatures,
  type Listed,
  type Meta,
  NO_ID,
  type ReadableFile,
  type Stat,
  type Survey,
  type WritableFile,
  type Xattrs,
} from "../../core/fs.ts";
import {
  fromBytes,
  isPrivateName,
  isWithin,
  joinPath,
  nameOf,
  namesOf,
  parentOf,
  type RelPath,
  ROOT,
  toBytes,
} from "../../core/path.ts";
import { MAX_NAME_BYTES } from "../../core/limits.ts";
import { surveyOf } from "../../core/survey.ts";
import type { Digest } from "../../core/types.ts";
import { type DirNode, type Disk, type FileNode, type Inode, type Node, steadyDisk } from "./inodes.ts";

/** One entry as `tree` describes it; what two of them have in common is equal by `assertEquals`. */
export interface TreeEntry {
  readonly kind: Stat["kind"];
  readonly mode: number;
  readonly mtimeNs: bigint;
  /** Of files: bytes. */
  readonly size?: number;
  /** Of files: up to 256 bytes the content as text, "hex:..." where it is no ASCII; "sha256:..." above. */
  readonly content?: string;
  /** Of symbolic links. */
  readonly target?: string;
  /** Owner and group, where they are not the file system's own user. */
  readonly owner?: string;
  /** Extended attributes, where there are any. */
  readonly xattrs?: Record<string, string>;
  /** Of what has several names in the tree: the first of them. */
  readonly linkedTo?: string;
}

/** What `tree` leaves out. */
export interface TreeOptions {
  /** Whether dirsync's private folder is left out. @default {false} */
  readonly withoutPrivate?: boolean;
}

/** Who uses a file system. */
export interface FsUser {
  readonly uid: number;
  readonly gid: number;
  /** Whether it may give files away. */
  readonly mayChown: boolean;
  /** Whether the file system has hard links. @default {true} */
  readonly hardLinks?: boolean;
  /** Whether the file system can exchange two entries. @default {true} */
  readonly exchange?: boolean;
}

/** Like root. */
export const SUPERUSER: FsUser = { uid: 0, gid: 0, mayChown: true };

/** A place for an entry: its directory, its name there and what is there now. */
interface Place {
  readonly dir: DirNode;
  readonly name: string;
  readonly node: Node | undefined;
}

const ERRORS = {
  EPERM: [1, "Operation not permitted", Deno.errors.PermissionDenied],
  ENOENT: [2, "No such file or directory", Deno.errors.NotFound],
  EIO: [5, "Input/output error", Error],
  EACCES: [13, "Permission denied", Deno.errors.PermissionDenied],
  EBUSY: [16, "Device or resource busy", Deno.errors.Busy],
  EEXIST: [17, "File exists", Deno.errors.AlreadyExists],
  ENOTDIR: [20, "Not a directory", Deno.errors.NotADirectory],
  EISDIR: [21, "Is a directory", Deno.errors.IsADirectory],
  EINVAL: [22, "Invalid argument", TypeError],
  EMFILE: [24, "Too many open files", Error],
  ENOSPC: [28, "No space left on device", Error],
  EROFS: [30, "Read-only file system", Error],
  ENAMETOOLONG: [36, "File name too long", Error],
  ENOTEMPTY: [39, "Directory not empty", Error],
  ELOOP: [40, "Too many levels of symbolic links", Deno.errors.FilesystemLoop],
} as const;

/** Name of an error of the system. */
export type ErrorCode = keyof typeof ERRORS;

/** The error that Deno throws when the system call `call` on `path` fails with `code`. */
export function systemError(code: ErrorCode, call: string, path: string): Error {
  const [number, text, type] = ERRORS[code];
  return Object.assign(new type(`${text} (os error ${number}): ${call} '${path}'`), { code });
}

/** A file system in memory. */
export class MemoryFs implements FileSystem {
  readonly features: FsFeatures = {
    layer: "memory",
    lacks: [],
    timeStepNs: 1n,
    modes: true,
    owners: true,
    xattrs: true,
    inodes: true,
    movesDirs: true,
    syncAll: true,
  };
  readonly #now: () => bigint;
  readonly #user: FsUser;
  readonly #root: DirNode;
  readonly #device: bigint;
  #lastIno: bigint;
  /** Numbers of inodes that are gone: the next inodes get them, as on ext4 (but only where what is gone cannot come back). */
  readonly #freeInos: bigint[] = [];

  /** Files that were opened, by what other threads read them by. */
  readonly #opened = new Map<number, FileNode>();
  readonly #disk: Disk;

  /**
   * @param now The time, ns since the epoch.
   * @param device Its number; roots of different devices have different inodes.
   */
  constructor(now: () => bigint, user = SUPERUSER, disk = steadyDisk, device = 1n) {
    this.#now = now;
    this.#user = user;
    this.#disk = disk;
    this.#device = this.#lastIno = device;
    this.#root = { kind: "dir", children: new Map(), ...this.#inode(0o755) };
  }

  list(dir: RelPath): Listed[] {
    const node = this.#get(dir, "readdir");
    if (node.kind !== "dir") throw systemError("ENOTDIR", "readdir", dir);
    return Array.from(node.children, ([name, child]) => ({ name, stat: toStat(child) }));
  }

  survey(dir: RelPath, known: Digest | undefined): Survey {
    return surveyOf(dir, this.list(dir), known);
  }

  lstat(path: RelPath): Stat | undefined {
    const node = this.#find(path);
    if (node === "ENAMETOOLONG") throw systemError(node, "lstat", path);
    return typeof node === "string" ? undefined : toStat(node);
  }

  readLink(path: RelPath): string {
    const node = this.#get(path, "readlink");
    if (node.kind !== "symlink") throw systemError("EINVAL", "readlink", path);
    return node.target;
  }

  /** What another thread reads by the handle of an open file. @throws {TypeError} If none is open by that. */
  readHandle(handle: number, offset: number, length: number): Uint8Array {
    const node = this.#opened.get(handle);
    if (!node?.open) throw new TypeError("A file is read that is not open any more");
    return node.bytes.slice(offset, Math.min(node.size, offset + length));
  }

  openFile(path: RelPath): ReadableFile {
    const node = this.#file(path, "open");
    this.#opened.set(Number(node.ino), node);
    return new MemoryReadable(node, () => this.#close(node));
  }

  createFile(path: RelPath, mode: number): WritableFile {
    const place = this.#vacancy(path, "open");
    const node: FileNode = { kind: "file", bytes: new Uint8Array(), size: 0, skipped: 0, ...this.#inode(mode) };
    this.#put(place, node);
    return this.#writable(node);
  }

  appendTo(path: RelPath, mode: number): WritableFile {
    if (this.#find(path) === "ENOENT") return this.createFile(path, mode);
    return this.#writable(this.#file(path, "open"));
  }

  mkdir(path: RelPath, mode: number): void {
    this.#put(this.#vacancy(path, "mkdir"), { kind: "dir", children: new Map(), ...this.#inode(mode) });
  }

  symlink(path: RelPath, target: string): void {
    if (target === "") throw systemError("ENOENT", "symlink", path);
    this.#put(this.#vacancy(path, "symlink"), { kind: "symlink", target, ...this.#inode(0o777) });
  }

  link(from: RelPath, to: RelPath): void {
    const node = this.#get(from, "link");
    const place = this.#vacancy(to, "link");
    if (node.kind === "dir" || this.#user.hardLinks === false) throw systemError("EPERM", "link", from);
    this.#put(place, node);
    this.#disk.changing(node);
    node.nlink++;
    node.ctimeNs = place.dir.ctimeNs;
  }

  rename(from: RelPath, to: RelPath): void {
    const source = this.#place(from, "rename");
    const target = this.#place(to, "rename");
    const moved = source.node;
    if (!moved) throw systemError("ENOENT", "rename", from);
    if (to !== from && isWithin(to, from)) throw systemError("EINVAL", "rename", to);
    // Two names of one file: POSIX leaves both.
    if (target.node === moved) return;
    if (target.node) checkReplaceable(moved, target.node, to);
    this.#name([{ ...source, after: undefined }, { ...target, after: moved }]);
    const now = this.#now();
    for (const dir of [source.dir, target.dir]) dir.mtimeNs = dir.ctimeNs = now;
    moved.ctimeNs = now;
    if (!target.node) return;
    target.node.ctimeNs = now;
    this.#unlinked(target.node);
  }

  renameNew(from: RelPath, to: RelPath): void {
    if (to !== from && this.#place(to, "rename").node && this.lstat(from)) throw systemError("EEXIST", "rename", to);
    this.rename(from, to);
  }

  exchange(a: RelPath, b: RelPath): boolean {
    const one = this.#place(a, "rename"), other = this.#place(b, "rename");
    if (!one.node || !other.node) throw systemError("ENOENT", "rename", one.node ? b : a);
    if (this.#user.exchange === false || a !== b && (isWithin(a, b) || isWithin(b, a))) return false;
    // Two names of one file: POSIX leaves both.
    if (one.node === other.node) return true;
    this.#name([{ ...one, after: other.node }, { ...other, after: one.node }]);
    const now = this.#now();
    for (const dir of [one.dir, other.dir]) dir.mtimeNs = dir.ctimeNs = now;
    for (const node of [one.node, other.node]) node.ctimeNs = now;
    return true;
  }

  unlink(path: RelPath): void {
    const { kind } = this.#get(path, "unlink");
    if (kind === "dir") throw systemError("EISDIR", "unlink", path);
    this.#take(this.#place(path, "unlink"));
  }

  rmdir(path: RelPath): void {
    const node = this.#get(path, "rmdir");
    if (node.kind !== "dir") throw systemError("ENOTDIR", "rmdir", path);
    if (node.children.size > 0) throw systemError("ENOTEMPTY", "rmdir", path);
    this.#take(this.#place(path, "rmdir"));
  }

  setMeta(path: RelPath, meta: Meta): Stat {
    const node = this.#get(path, "utime");
    this.#disk.changing(node);
    applyMeta(node, meta, this.#now());
    return this.lstat(path)!;
  }

  chown(path: RelPath, uid: number, gid: number): void {
    const node = this.#get(path, "chown");
    const user = this.#user;
    const toUid = uid === NO_ID ? node.uid : uid, toGid = gid === NO_ID ? node.gid : gid;
    if (!user.mayChown && (toUid !== node.uid || node.uid !== user.uid || toGid !== node.gid && toGid !== user.gid)) {
      throw systemError("EPERM", "chown", path);
    }
    this.#disk.changing(node);
    node.uid = toUid;
    node.gid = toGid;
    if (node.kind === "file") node.mode &= 0o1777;
    node.ctimeNs = this.#now();
  }

  xattrs(path: RelPath): Xattrs {
    return this.#get(path, "getxattr").xattrs;
  }

  setXattrs(path: RelPath, xattrs: Xattrs): void {
    const node = this.#get(path, "setxattr");
    if (node.kind === "symlink") return;
    this.#disk.changing(node);
    node.xattrs = new Map(xattrs);
    node.ctimeNs = this.#now();
  }

  syncDir(dir: RelPath): void {
    const node = this.#get(dir, "open");
    if (node.kind === "dir") this.#disk.syncedNames(node);
  }

  syncAll(): void {
    this.#disk.syncedAll();
  }

  /** Replaces what is in a file in place, as editors may do; makes the file if there is none. */
  writeFile(path: RelPath, content: Uint8Array | string): void {
    const node = this.#find(path);
    if (node === "ENOENT") {
      using file = this.createFile(path, 0o644);
      return file.write(contentOf(content));
    }
    const file = this.#file(path, "open");
    this.#disk.changing(file);
    file.bytes = new Uint8Array();
    file.size = file.skipped = 0;
    writeAt(file, 0, contentOf(content));
    file.mtimeNs = file.ctimeNs = this.#now();
  }

  /** Adds to the end of a file. */
  appendFile(path: RelPath, content: Uint8Array | string): void {
    const file = this.#file(path, "open");
    this.#disk.changing(file);
    writeAt(file, file.size, contentOf(content));
    file.mtimeNs = file.ctimeNs = this.#now();
  }

  /** Changes a byte as a failing disk does: nothing tells of it. */
  spoil(path: RelPath, at: number): void {
    this.#file(path, "open").bytes[at]! ^= 1;
  }

  /** What is in a file; the caller's own copy. */
  readFile(path: RelPath): Uint8Array<ArrayBuffer> {
    const file = this.#file(path, "open");
    return file.bytes.slice(0, file.size);
  }

  /**
   * After the disk below has lost something: how many names each entry has is counted again, and nothing is open. New inodes get
   * the numbers after the last that is left, as on btrfs, so those of what was lost come back.
   */
  remount(): void {
    this.#lastIno = this.#root.ino;
    const count = (dir: DirNode) => {
      for (const child of dir.children.values()) {
        if (child.ino > this.#lastIno) this.#lastIno = child.ino;
        if (child.kind === "dir") count(child);
        else child.nlink = 0;
        child.open = 0;
      }
      for (const child of dir.children.values()) if (child.kind !== "dir") counted.push(child);
    };
    const counted: Node[] = [];
    count(this.#root);
    for (const node of counted) node.nlink++;
  }

  /** Makes an entry that is not mirrored, such as a FIFO. */
  makeOther(path: RelPath): void {
    this.#put(this.#vacancy(path, "mknod"), { kind: "other", ...this.#inode(0o644) });
  }

  /** What is in each file, by path, as `tree` tells it. */
  contents(options: TreeOptions = {}): Map<RelPath, string> {
    const found = new Map<RelPath, string>();
    const walk = (dir: DirNode, path: RelPath) => {
      for (const [name, child] of dir.children) {
        if (options.withoutPrivate && path === ROOT && isPrivateName(name)) continue;
        if (child.kind === "file") found.set(joinPath(path, name), describeContent(child));
        else if (child.kind === "dir") walk(child, joinPath(path, name));
      }
    };
    walk(this.#root, ROOT);
    return found;
  }

  /** What is in the file at `path`, likewise; undefined where there is none. */
  contentAt(path: RelPath): string | undefined {
    const node = this.#find(path);
    return typeof node !== "string" && node.kind === "file" ? describeContent(node) : undefined;
  }

  /** All that is below the root, by path in canonical order, without inode numbers and ctimes. */
  tree(options: TreeOptions = {}): Record<string, TreeEntry> {
    const entries: Record<string, TreeEntry> = {};
    const firsts = new Map<Node, string>();
    const describe = (dir: DirNode, path: RelPath) => {
      for (const name of [...dir.children.keys()].sort()) {
        if (options.withoutPrivate && path === ROOT && isPrivateName(name)) continue;
        const child = dir.children.get(name)!;
        const childPath = joinPath(path, name);
        const first = firsts.get(child);
        if (first === undefined) firsts.set(child, childPath);
        const own = child.uid === this.#user.uid && child.gid === this.#user.gid;
        entries[childPath] = {
          ...toTreeEntry(child),
          ...(own ? {} : { owner: `${child.uid}:${child.gid}` }),
          ...(first === undefined ? {} : { linkedTo: first }),
        };
        if (child.kind === "dir") describe(child, childPath);
      }
    };
    describe(this.#root, ROOT);
    return entries;
  }

  #inode(mode: number): Inode {
    const now = this.#now();
    const { uid, gid } = this.#user;
    const ino = this.#disk === steadyDisk && this.#freeInos.pop() || ++this.#lastIno;
    const dev = this.#device;
    return {
      dev,
      ino,
      mode: mode & 0o7777,
      uid,
      gid,
      mtimeNs: now,
      ctimeNs: now,
      nlink: 1,
      open: 0,
      xattrs: new Map(),
    };
  }

  #unlinked(node: Node): void {
    if (--node.nlink === 0 && node.open === 0) this.#freeInos.push(node.ino);
  }

  #close(node: Node): void {
    if (--node.open > 0) return;
    this.#opened.delete(Number(node.ino));
    if (node.nlink === 0) this.#freeInos.push(node.ino);
  }

  /** What is at `path`, or why nothing is. */
  #find(path: RelPath): Node | "ENOENT" | "ENOTDIR" | "ENAMETOOLONG" {
    let node: Node = this.#root;
    for (const name of namesOf(path)) {
      if (node.kind !== "dir") return "ENOTDIR";
      const child: Node | undefined = node.children.get(name);
      if (!child) return isTooLong(name) ? "ENAMETOOLONG" : "ENOENT";
      node = child;
    }
    return node;
  }

  #get(path: RelPath, call: string): Node {
    const node = this.#find(path);
    if (typeof node === "string") throw systemError(node, call, path);
    return node;
  }

  #file(path: RelPath, call: string): FileNode {
    const node = this.#get(path, call);
    if (node.kind === "file") return node;
    if (node.kind === "other") throw new ProblemError("it is a device, socket or FIFO");
    throw systemError(node.kind === "dir" ? "EISDIR" : "ELOOP", call, path);
  }

  #place(path: RelPath, call: string): Place {
    if (path === ROOT) throw systemError("EBUSY", call, path);
    const dir = this.#get(parentOf(path), call);
    if (dir.kind !== "dir") throw systemError("ENOTDIR", call, path);
    const name = nameOf(path);
    if (isTooLong(name)) throw systemError("ENAMETOOLONG", call, path);
    return { dir, name, node: dir.children.get(name) };
  }

  #vacancy(path: RelPath, call: string): Place {
    const place = path === ROOT ? undefined : this.#place(path, call);
    if (!place || place.node) throw systemError("EEXIST", call, path);
    return place;
  }

  #writable(node: FileNode): MemoryWritable {
    this.#opened.set(Number(node.ino), node);
    return new MemoryWritable(node, this.#now, this.#disk, () => this.#close(node));
  }

  /** Changes what names stand for, all in one instant. */
  #name(changes: readonly (Place & { readonly after: Node | undefined })[]): void {
    this.#disk.named(changes.map(({ dir, name, node, after }) => ({ dir, name, before: node, after })));
    for (const { dir, name, after } of changes) {
      if (after) dir.children.set(name, after);
      else dir.children.delete(name);
    }
  }

  #put(place: Place, node: Node): void {
    const { dir } = place;
    this.#name([{ ...place, after: node }]);
    dir.mtimeNs = dir.ctimeNs = this.#now();
  }

  #take(place: Place): void {
    const { dir, node } = place;
    this.#name([{ ...place, after: undefined }]);
    dir.mtimeNs = dir.ctimeNs = this.#now();
    if (!node) return;
    node.ctimeNs = dir.ctimeNs;
    this.#unlinked(node);
  }
}

/** What a hole consists of. */
const HOLE_BYTES = 4096;

class MemoryReadable implements ReadableFile {
  #node: FileNode | undefined;
  readonly #close: () => void;

  constructor(node: FileNode, close: () => void) {
    this.#node = node;
    node.open++;
    this.#close = close;
  }

  get handle(): number {
    return Number(opened(this.#node).ino);
  }

  stat(): Stat {
    return toStat(opened(this.#node));
  }

  readAt(offset: number, into: Uint8Array): number {
    const { bytes, size } = opened(this.#node);
    const part = bytes.subarray(offset, Math.max(offset, Math.min(size, offset + into.length)));
    into.set(part);
    return part.length;
  }

  /** As if every block of zeros were a hole. */
  dataFrom(offset: number): number {
    const { bytes, size } = opened(this.#node);
    const data = bytes.subarray(offset, size).findIndex((byte) => byte !== 0);
    return data < 0 ? Math.max(offset, size) : Math.max(offset, offset + data - (offset + data) % HOLE_BYTES);
  }

  [Symbol.dispose](): void {
    if (this.#node) this.#close();
    this.#node = undefined;
  }
}

class MemoryWritable implements WritableFile {
  readonly #now: () => bigint;
  readonly #disk: Disk;
  readonly #close: () => void;
  #node: FileNode | undefined;
  #at: number;

  constructor(node: FileNode, now: () => bigint, disk: Disk, close: () => void) {
    this.#node = node;
    node.open++;
    this.#at = node.size;
    this.#now = now;
    this.#disk = disk;
    this.#close = close;
  }

  get handle(): number {
    return Number(opened(this.#node).ino);
  }

  write(bytes: Uint8Array): void {
    const node = opened(this.#node);
    if (bytes.length === 0) return;
    this.#disk.changing(node);
    writeAt(node, this.#at, bytes);
    this.#at += bytes.length;
    node.mtimeNs = node.ctimeNs = this.#now();
  }

  clone(from: ReadableFile, offset: number, length: number): boolean {
    if (offset % BLOCK_BYTES + length % BLOCK_BYTES + this.#at % BLOCK_BYTES > 0) return false;
    const bytes = new Uint8Array(length);
    if (from.readAt(offset, bytes) !== length) return false;
    this.write(bytes);
    return true;
  }

  copy(): number {
    return 0;
  }

  skip(length: number): void {
    const node = opened(this.#node);
    this.#disk.changing(node);
    writeAt(node, this.#at, new Uint8Array(length));
    this.#at += length;
    node.skipped += length;
  }

  setMeta(meta: Meta): void {
    const node = opened(this.#node);
    this.#disk.changing(node);
    applyMeta(node, meta, this.#now());
  }

  sync(): void {
    this.#disk.synced(opened(this.#node));
  }

  finish(): Stat {
    const stat = toStat(opened(this.#node));
    this[Symbol.dispose]();
    return stat;
  }

  [Symbol.dispose](): void {
    if (this.#node) this.#close();
    this.#node = undefined;
  }
}

function opened(node: FileNode | undefined): FileNode {
  if (!node) throw new Deno.errors.BadResource("Bad resource ID");
  return node;
}

function writeAt(node: FileNode, at: number, bytes: Uint8Array): void {
  const end = at + bytes.length;
  if (end > node.bytes.length) {
    const grown = new Uint8Array(Math.max(end, node.bytes.length * 2));
    grown.set(node.bytes.subarray(0, node.size));
    node.bytes = grown;
  }
  node.bytes.set(bytes, at);
  node.size = Math.max(node.size, end);
}

function applyMeta(node: Node, meta: Meta, now: bigint): void {
  if (meta.mode !== undefined && node.kind !== "symlink") node.mode = meta.mode & 0o7777;
  node.mtimeNs = meta.mtimeNs;
  node.ctimeNs = now;
}

function checkReplaceable(moved: Node, target: Node, to: RelPath): void {
  if (target.kind === "dir") {
    if (moved.kind !== "dir") throw systemError("EISDIR", "rename", to);
    if (target.children.size > 0) throw systemError("ENOTEMPTY", "rename", to);
  } else if (moved.kind === "dir") throw systemError("ENOTDIR", "rename", to);
}

function toStat(node: Node): Stat {
  const size = node.kind === "file" ? node.size : node.kind === "symlink" ? toBytes(node.target).length : 0;
  const { kind, mode, uid, gid, mtimeNs, ctimeNs, dev, ino, nlink } = node;
  const allocated = node.kind === "file" ? size - node.skipped : size;
  return { kind, mode, uid, gid, size, allocated, mtimeNs, ctimeNs, ino, dev, nlink };
}

function toTreeEntry(node: Node): TreeEntry {
  const { kind, mode, mtimeNs } = node;
  const decode = (value: Uint8Array) => fromBytes(value);
  const xattrs = node.xattrs.size === 0 ? {} : {
    xattrs: Object.fromEntries(Array.from(node.xattrs, ([name, value]) => [name, decode(value)]).sort()),
  };
  if (node.kind === "symlink") return { kind, mode, mtimeNs, target: node.target };
  if (node.kind !== "file") return { kind, mode, mtimeNs, ...xattrs };
  return { kind, mode, mtimeNs, size: node.size, content: describeContent(node), ...xattrs };
}

/** What was said last of each file's content, while that is true. */
const described = new WeakMap<FileNode, { bytes: Uint8Array; ctimeNs: bigint; size: number; content: string }>();

function describeContent(node: FileNode): string {
  const known = described.get(node);
  if (known?.bytes === node.bytes && known.ctimeNs === node.ctimeNs && known.size === node.size) return known.content;
  const bytes = node.bytes.subarray(0, node.size);
  // Different bytes have different strings; to look whether any is no ASCII is quicker than to find out that they are no UTF-8.
  const isText = bytes.length <= 256 && bytes.every((byte) => byte < 128);
  const content = isText
    ? fromBytes(bytes)
    : bytes.length <= 256
    ? `hex:${bytes.toHex()}`
    : `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  described.set(node, { bytes: node.bytes, ctimeNs: node.ctimeNs, size: node.size, content });
  return content;
}

function contentOf(content: Uint8Array | string): Uint8Array {
  return typeof content === "string" ? toBytes(content) : content;
}

function isTooLong(name: string): boolean {
  return name.length * 3 > MAX_NAME_BYTES && toBytes(name).length > MAX_NAME_BYTES;
}
