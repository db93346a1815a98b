// A disk that a power cut may take from what was not synced: of changes of names those after some moment, but for what was synced
// one by one, which may be on the disk while what was done before it elsewhere is not (so btrfs and F2FS do it; no other file system
// of Linux that has a journal loses the earlier of two changes). With a file that is synced its name may be there, but need not.
// Of a file, any part of what was not synced. What a rename did is there in whole or not at all.

import type { DirNode, Disk, FileNode, NameChange, Node } from "../support/inodes.ts";
import type { Random } from "../support/seed.ts";

/** What of a node is on the disk for sure. */
interface Durable {
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
  readonly attributes: Pick<Node, "mode" | "uid" | "gid" | "mtimeNs" | "xattrs">;
}

/** Knows what is not on the disk yet. */
export class CrashDisk implements Disk {
  /** Changes of names that are not on the disk for sure, in order. */
  #log: (readonly NameChange[])[] = [];
  /** Those among them that put a synced file, or a directory on the way to it, where it is. */
  readonly #perhaps = new Set<readonly NameChange[]>();
  /** Nodes that have changed since they were synced; undefined for those that never were. */
  readonly #dirty = new Map<Node, Durable | undefined>();
  /** Nodes that were synced at least once. */
  readonly #known = new WeakSet<Node>();

  named(changes: readonly NameChange[]): void {
    this.#log.push(changes);
    for (const { after } of changes) {
      if (after && !this.#known.has(after) && !this.#dirty.has(after)) this.#dirty.set(after, undefined);
    }
  }

  changing(node: Node): void {
    if (!this.#dirty.has(node)) this.#dirty.set(node, this.#known.has(node) ? durableOf(node) : undefined);
  }

  synced(node: Node): void {
    this.#dirty.delete(node);
    this.#known.add(node);
    const sought = new Set<Node>([node]);
    for (const changes of this.#log.toReversed()) {
      const found = changes.filter(({ after }) => after !== undefined && sought.has(after));
      if (found.length > 0) this.#perhaps.add(changes);
      for (const { dir } of found) sought.add(dir);
    }
  }

  syncedNames(dir: DirNode): void {
    // With a rename out of another directory, what was done before to its names there is on the disk too.
    const certain = new Map<DirNode, Set<string>>();
    const isCertain = (change: NameChange) => change.dir === dir || certain.get(change.dir)?.has(change.name) === true;
    const rest: (readonly NameChange[])[] = [];
    for (const changes of this.#log.reverse()) {
      if (!changes.some(isCertain)) rest.push(changes);
      else {for (const change of changes) {
          certain.set(change.dir, (certain.get(change.dir) ?? new Set()).add(change.name));
        }}
    }
    this.#log = rest.reverse();
    this.synced(dir);
  }

  syncedAll(): void {
    this.#log = [];
    this.#perhaps.clear();
    for (const node of this.#dirty.keys()) this.#known.add(node);
    this.#dirty.clear();
  }

  /** The power goes: what was not synced may be lost. */
  cut(random: Random): void {
    const kept = () => random(2) === 0;
    const end = random(this.#log.length + 1);
    const done = this.#log.filter((changes, at) => at < end || this.#perhaps.has(changes) && kept());
    for (const changes of [...this.#log].reverse()) for (const { dir, name, before } of changes) set(dir, name, before);
    for (const changes of done) for (const { dir, name, after } of changes) set(dir, name, after);
    for (const [node, durable] of this.#dirty) {
      if (node.kind === "file" && !kept()) loseContent(node, durable?.bytes, random);
      // Names that have come or gone are in the status-change time as well: it is neither what it was nor what it had become.
      if (durable && !kept()) Object.assign(node, durable.attributes, { ctimeNs: node.ctimeNs + 1n });
    }
    this.syncedAll();
  }
}

function set(dir: DirNode, name: string, node: Node | undefined): void {
  if (node) dir.children.set(name, node);
  else dir.children.delete(name);
}

function durableOf(node: Node): Durable {
  const { mode, uid, gid, mtimeNs, xattrs } = node;
  const bytes = node.kind === "file" ? node.bytes.slice(0, node.size) : undefined;
  return { bytes, attributes: { mode, uid, gid, mtimeNs, xattrs } };
}

/**
 * What is left of a file whose content was not synced: what it was, nothing, a part of it, or a part that is zeros. What has not
 * changed since it was synced stays.
 */
function loseContent(file: FileNode, durable: Uint8Array<ArrayBuffer> | undefined, random: Random): void {
  const now = file.bytes.slice(0, file.size);
  const safe = durable ? commonPrefix(durable, now) : 0;
  if (durable && safe === now.length && safe === durable.length) return;
  const from = safe + random(now.length - safe + 1);
  switch (random(4)) {
    case 0:
      return setContent(file, durable ?? new Uint8Array());
    case 1:
      return setContent(file, now.slice(0, safe));
    case 2:
      return setContent(file, now.slice(0, from));
    default:
      return setContent(file, now.fill(0, from));
  }
}

function commonPrefix(a: Uint8Array, b: Uint8Array): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

function setContent(file: FileNode, bytes: Uint8Array<ArrayBuffer>): void {
  file.bytes = bytes;
  file.size = bytes.length;
}
