// The index: a tree of entries in SQLite. On the server it is what the mirror holds; on the client what the mirror is
// known to hold, or will hold once the steps under way are committed, so that plans are made against it. Keyed by node, not
// by path: moving a directory, however large, changes one row.

import type { DatabaseSync } from "node:sqlite";
import { createHash } from "node:crypto";
import { ChunkIndex } from "./chunk_index.ts";
import { Writer } from "./codec.ts";
import { joinPath, nameOf, namesOf, parentOf, type RelPath, ROOT, toBytes } from "./path.ts";
import { addRoot, openDatabase } from "./database.ts";
import {
  attributeCells,
  bytesToHex,
  cellOf,
  COLUMNS,
  hexToBytes,
  KINDS,
  type Node,
  nodeOf,
  type Seen,
  seenCells,
  textOf,
  toCell,
} from "./entry_rows.ts";
import { IndexDatabase } from "./index_database.ts";
import { ROOT_ID } from "./schema.ts";
import { decodeRecipe, encodeRecipe } from "./recipe.ts";
import type { Attributes, Digest, Entry, Recipe } from "./types.ts";
import { writeEntry } from "./wire_writer.ts";

/** Parent of what is parked in slots, and of what is kept in the history: neither is part of the tree. */
const SLOTS = -1, HISTORY = -2;
/** Files at least this large (bytes) are known by their chunks; smaller ones nobody asks for. */
export const CHUNKS_FROM_BYTES = 32 << 10;

// Statements are looked up by their text: made once, it need not be put together at every call.
const INSERT = `INSERT OR REPLACE INTO entry (${COLUMNS}, recipe) VALUES (${Array(21).fill("?").join(", ")})`;
const SET_SEEN =
  "UPDATE entry SET ino = ?, seen_mtime = ?, seen_ctime = ?, seen_mode = ?, seen_uid = ?, seen_gid = ?, " +
  "racy = ? WHERE id = ? RETURNING parent";
const SET_PRINT = "UPDATE entry SET print = ? WHERE id = ?";
const FORGET_PRINT = "UPDATE entry SET print = NULL WHERE id = ? AND print IS NOT NULL";
const SET_ATTRIBUTES = "UPDATE entry SET mode = ?, mtime = ?, uid = ?, gid = ?, link = ?, xattrs = ? WHERE id = ?";
// The inode number is left out: to write it, even as it was, is to write its place in its index as well.
const SET_META =
  "UPDATE entry SET mode = ?, mtime = ?, uid = ?, gid = ?, link = ?, xattrs = ?, seen_mtime = ?, seen_ctime = ?, " +
  "seen_mode = ?, seen_uid = ?, seen_gid = ?, racy = ? WHERE id = ?";

const BY_ID = `SELECT ${COLUMNS} FROM entry WHERE id = ?`;
const BY_NAME = `SELECT ${COLUMNS} FROM entry WHERE parent = ? AND name = ?`;
const BY_PARENT = `SELECT ${COLUMNS} FROM entry WHERE parent = ?`;
const KEPT = `WITH RECURSIVE kept (id) AS (SELECT id FROM entry WHERE parent = ${HISTORY} ` +
  "UNION ALL SELECT entry.id FROM entry JOIN kept ON entry.parent = kept.id) SELECT count(*) FROM kept";
const BELOW =
  "WITH RECURSIVE below (id) AS (SELECT ? UNION ALL SELECT entry.id FROM entry JOIN below ON parent = below.id) ";
const INDEXED = `${BELOW} SELECT id FROM entry JOIN below USING (id) WHERE kind = 1 AND size >= ${CHUNKS_FROM_BYTES}`;
const DELETE = `${BELOW} DELETE FROM entry WHERE id IN below`;
const BYTES = `${BELOW} SELECT sum(size) FROM entry JOIN below USING (id)`;
const SPECIAL =
  `${BELOW} SELECT id FROM entry JOIN below USING (id) WHERE kind != 0 AND (link != 0 OR seen_mode & 3072 != 0)`;
// The second condition lets SQLite use the partial index.
const BY_INODE = `SELECT ${COLUMNS} FROM entry WHERE ino = ? AND ino != 0`;

/** The tree and the chunks of one mirror, as far as this side knows it. */
export class TreeIndex extends IndexDatabase {
  readonly #chunks = new ChunkIndex((sql) => this.prepare(sql));
  /** Directories by path; emptied whenever a directory moves or goes. */
  readonly #dirs = new Map<RelPath, number>();
  /** Directories whose hash is known to be unknown, and so those above them. */
  readonly #stale = new Set<number>();
  /** Directories that are known to have no print. */
  readonly #unprinted = new Set<number>();
  /** The last look-up of a name, found or not: whoever plans, tells or puts an entry asks for the same one after the other. */
  #last: { readonly parent: number; readonly name: string; readonly node: Node | undefined } | undefined;
  #nextId: number;

  /**
   * @param file Path of the database, ":memory:" for one that is gone with the process.
   * @param open How it is opened: to be kept, or only to be read.
   * @throws {Error} If it is only to be read and is none of ours.
   */
  constructor(file: string, open: (file: string) => DatabaseSync = openDatabase) {
    super(open(file));
    this.#nextId = Number((this.db.prepare("SELECT max(id) AS id FROM entry").get() as { id: number }).id) + 1;
  }

  /** Forgets everything but an empty root. */
  clear(): void {
    this.db.exec("DELETE FROM entry; DELETE FROM chunk; DELETE FROM xattrs; DELETE FROM fact");
    this.forgetAll();
    addRoot(this.db);
    this.#nextId = ROOT_ID + 1;
  }

  /** How many entries there are, the root not counted, nor what is kept in the history. */
  count(): number {
    return this.#number("SELECT count(*) FROM entry") - 1 - this.#number(KEPT);
  }

  /** How many bytes the files have that an entry is or holds. */
  bytesIn(id: number): number {
    return this.#number(BYTES, id);
  }

  /** How many entries an entry is with all that is below it. */
  size(id: number): number {
    const count =
      "WITH RECURSIVE tree (id) AS (VALUES (?) UNION ALL SELECT entry.id FROM entry JOIN tree ON parent = tree.id) " +
      "SELECT count(*) FROM tree";
    return Number((this.prepare(count).get(id) as unknown as [bigint])[0]);
  }

  get(id: number): Node | undefined {
    return nodeOf(this.prepare(BY_ID).get(id));
  }

  child(parent: number, name: string): Node | undefined {
    return nodeOf(
      this.prepare(BY_NAME).get(parent, cellOf(name)),
    );
  }

  /** The entries of a directory, in no order. */
  children(parent: number): Node[] {
    const rows = this.prepare(BY_PARENT).all(parent);
    return rows.map((row) => nodeOf(row)!);
  }

  /** The same by their names. */
  childrenByName(parent: number): Map<string, Node> {
    return new Map(this.children(parent).map((node) => [node.name, node] as const));
  }

  /** The entry at `path`, or undefined; symbolic links are not followed, nothing is below them. */
  find(path: RelPath): Node | undefined {
    if (path === ROOT) return this.get(ROOT_ID);
    const dir = this.dirAt(parentOf(path));
    return dir === undefined ? undefined : this.child(dir, nameOf(path));
  }

  /** Where an entry is now, or undefined if it waits in a slot or is kept in the history (or below what is). */
  pathOf(id: number): RelPath | undefined {
    const names: string[] = [];
    const select = this.prepare("SELECT parent, name FROM entry WHERE id = ?");
    while (id !== ROOT_ID) {
      const row = select.get(id) as unknown as [bigint, string | Uint8Array] | undefined;
      if (!row || row[0] < 0n) return undefined;
      names.push(textOf(row[1]));
      id = Number(row[0]);
    }
    return names.reverse().reduce(joinPath, ROOT);
  }

  /** The entries that were seen with this inode number: more than one where files are hard links of each other. */
  withInode(ino: bigint): Node[] {
    if (ino === 0n) return [];
    return this.prepare(BY_INODE).all(toCell(ino)).map((row) => nodeOf(row)!);
  }

  /** Ids of up to `most` entries that need a second look. */
  racy(most: number): number[] {
    return this.prepare("SELECT id FROM entry WHERE racy = 1 LIMIT ?").all(most)
      .map((row) => Number((row as unknown as [bigint])[0]));
  }

  /**
   * Puts an entry under `name` in the directory `parent`. What was there of the same kind keeps its place, and a directory
   * all that is in it; what was of another kind goes first, with all that is in it.
   *
   * @param recipe Of a file; undefined where it is not known.
   * @param before Id of what was there and has been replaced. If that is kept in the history, this gets its id: what both are made of
   * stays as known as it is.
   * @returns Its id.
   */
  put(parent: number, name: string, entry: Entry, seen: Seen | undefined, recipe?: Recipe, before?: number): number {
    const old = this.child(parent, name);
    if (old && old.entry.kind !== entry.kind) this.remove(old.id);
    const indexed = isIndexed(entry) ? recipe : undefined;
    const kept = !old && indexed ? this.#renumber(before) : undefined;
    const id = kept ? before! : old?.entry.kind === entry.kind ? old.id : this.#nextId++;
    this.#chunks.change(id, kept ? kept.recipe : old && this.#indexed(old.id, old.entry), indexed, kept?.id);
    const file = entry.kind === "file" ? entry : undefined;
    const content = file ? hexToBytes(file.content) : entry.kind === "symlink" ? toBytes(entry.target) : null;
    this.prepare(INSERT).run(
      id,
      parent,
      cellOf(name),
      KINDS.indexOf(entry.kind),
      ...attributeCells(entry),
      file?.size ?? 0,
      file?.average ?? 0,
      content,
      ...seenCells(seen),
      recipe ? encodeRecipe(recipe) : null,
    );
    this.#last = undefined;
    if (entry.kind === "dir") {
      this.#stale.add(id);
      this.#unprinted.add(id);
    }
    this.#invalidate(parent);
    return id;
  }

  /** Sets the attributes of an entry. */
  setAttributes(node: Node, attributes: Attributes): void {
    this.#last = undefined;
    this.prepare(SET_ATTRIBUTES).run(...attributeCells(attributes), node.id);
    this.#invalidate(node.parent);
  }

  /** Sets the attributes of an entry, and what lstat said of it with them. */
  setMeta(node: Node, attributes: Attributes, seen: Seen): void {
    if (node.seen?.ino !== seen.ino) {
      this.setSeen(node.id, seen);
      return this.setAttributes(node, attributes);
    }
    this.#last = undefined;
    const [, ...cells] = seenCells(seen);
    this.prepare(SET_META).run(...attributeCells(attributes), ...cells, node.id);
    this.#invalidate(node.parent);
  }

  /** Whether an entry shares its link number with one that was not seen with this inode number. */
  isLinkedElsewhere({ id, entry: { link } }: Node, ino: bigint): boolean {
    if (link === 0) return false;
    const select = "SELECT 1 FROM entry WHERE link = ? AND link != 0 AND id != ? AND ino != ? LIMIT 1";
    return this.prepare(select).get(link, id, toCell(ino)) !== undefined;
  }

  /** Takes the other names of a file out of its group: the one with this id has become a file of its own. */
  separate(link: number, id: number): void {
    if (link === 0) return;
    const others = this.prepare("SELECT id, parent FROM entry WHERE link = ? AND link != 0 AND id != ?").all(link, id);
    for (const row of others) {
      const [other, parent] = row as unknown as [bigint, bigint];
      this.#last = undefined;
      this.prepare("UPDATE entry SET link = 0 WHERE id = ?").run(other);
      this.#invalidate(Number(parent));
    }
  }

  /** Notes what lstat said, or with undefined that nothing is known of the disk. */
  setSeen(id: number, seen: Seen | undefined): void {
    this.#last = undefined;
    const row = this.prepare(SET_SEEN).get(...seenCells(seen), id) as unknown as [bigint] | undefined;
    if (row) this.#forgetPrint(Number(row[0]));
  }

  /**
   * Print of a survey of this directory by which every entry in it was as its row says, and none was missing. Whoever finds the
   * same print again need not look at the rows.
   */
  print(dir: number): Digest | undefined {
    const row = this.prepare("SELECT print FROM entry WHERE id = ?").get(dir) as unknown as
      | [Uint8Array | null]
      | undefined;
    return row?.[0] ? bytesToHex(row[0]) : undefined;
  }

  /** Notes that a survey with this print found all in the directory as its rows say; forgotten with the next change of one. */
  setPrint(dir: number, print: Digest): void {
    this.prepare(SET_PRINT).run(hexToBytes(print), dir);
    this.#unprinted.delete(dir);
  }

  /** Moves an entry, with all that is in it; the place must be free. */
  move(node: Node, parent: number, name: string): void {
    this.#last = undefined;
    this.#invalidate(node.parent);
    this.prepare("UPDATE entry SET parent = ?, name = ? WHERE id = ?").run(parent, cellOf(name), node.id);
    if (node.entry.kind === "dir") this.#dirs.clear();
    this.#invalidate(parent);
  }

  /** Puts an entry into a slot. */
  park(node: Node, slot: number): void {
    this.move(node, SLOTS, String(slot));
  }

  /** What a slot holds. */
  parked(slot: number): Node | undefined {
    return this.child(SLOTS, String(slot));
  }

  /** The slot that an entry waits in, or is somewhere in; `below` is its path there. */
  slotOf(id: number): { slot: number; below: RelPath } | undefined {
    const names: string[] = [];
    for (let node = this.get(id); node; node = this.get(node.parent)) {
      if (node.parent === SLOTS) return { slot: Number(node.name), below: names.reverse().reduce(joinPath, ROOT) };
      names.push(node.name);
    }
    return undefined;
  }

  /** Puts an entry, with all that is in it, out of the tree: it is kept in the history at `place`, with its chunks. */
  keep(node: Node, place: string): void {
    this.move(node, HISTORY, place);
    // Its inode is none of the tree's any more.
    this.setSeen(node.id, undefined);
  }

  /** Place in the history of an entry that is kept there, or is somewhere in what is. */
  keptAt(id: number): RelPath | undefined {
    const names: string[] = [];
    for (let node = this.get(id); node; node = this.get(node.parent)) {
      names.push(node.name);
      if (node.parent === HISTORY) return names.reverse().reduce(joinPath, ROOT);
    }
    return undefined;
  }

  /** What is kept in the history at `place`, as far as this index knows it. */
  kept(place: RelPath): Node | undefined {
    const names = namesOf(place), below: string[] = [];
    for (; names.length > 0; below.unshift(names.pop()!)) {
      let node = this.child(HISTORY, names.join("/"));
      if (!node) continue;
      for (const name of below) node = node?.entry.kind === "dir" ? this.child(node.id, name) : undefined;
      return node;
    }
    return undefined;
  }

  /**
   * Of what is in a directory at any depth, what has other names, or was seen with a mode by which it runs as its owner or group.
   * @returns Paths below the directory.
   */
  specialIn(dir: number): RelPath[] {
    return this.prepare(SPECIAL).all(dir).map((row) => {
      const names: string[] = [];
      let node = this.get(Number((row as unknown as [bigint])[0]));
      for (; node && node.id !== dir; node = this.get(node.parent)) names.push(node.name);
      return names.reverse().reduce(joinPath, ROOT);
    });
  }

  /** What is at `below` in a slot. */
  inSlot(slot: number, below: RelPath): Node | undefined {
    let node = this.parked(slot);
    for (const name of namesOf(below)) node = node?.entry.kind === "dir" ? this.child(node.id, name) : undefined;
    return node;
  }

  /** What all slots hold. */
  parkedAll(): Node[] {
    return this.children(SLOTS);
  }

  /** Removes an entry and all that is in it. */
  remove(id: number): void {
    const node = this.get(id);
    if (!node) return;
    this.#last = undefined;
    if (node.entry.kind === "dir") this.#dirs.clear();
    const large = this.prepare(INDEXED).all(id).map((row) => Number((row as unknown as [bigint])[0]));
    for (const each of large) this.#chunks.change(each, this.recipe(each), undefined);
    this.prepare(DELETE).run(id);
    this.#invalidate(node.parent);
  }

  /** The recipe of a file, if it is known. */
  recipe(id: number): Recipe | undefined {
    const row = this.prepare("SELECT recipe FROM entry WHERE id = ?").get(id) as unknown as
      | [Uint8Array | null]
      | undefined;
    return row?.[0] ? decodeRecipe(row[0]) : undefined;
  }

  /** Notes the recipe of a file, whose content it is. */
  setRecipe(node: Node, recipe: Recipe): void {
    const { id, entry } = node;
    this.#chunks.change(id, this.#indexed(id, entry), isIndexed(entry) ? recipe : undefined);
    this.prepare("UPDATE entry SET recipe = ? WHERE id = ?").run(encodeRecipe(recipe), id);
  }

  /** A file that holds a chunk with this digest, or one that begins alike. Only files of `CHUNKS_FROM_BYTES` or more are known by their chunks. */
  holderOf(digest: Digest): number | undefined {
    return this.#chunks.holderOf(digest);
  }

  /** Whether any chunk is known. */
  hasChunks(): boolean {
    return this.#chunks.any;
  }

  /**
   * The Merkle hash of the whole tree: equal hashes mean equal names, kinds, contents, targets, modes and times.
   * Only directories below which something changed since the last call are gone through.
   */
  rootHash(): Digest {
    const root = this.get(ROOT_ID)!;
    const out = new Writer();
    writeEntry(out, root.entry);
    out.digest(this.dirHash(root));
    return createHash("sha256").update(out.peek()).digest("hex");
  }

  /** The Merkle hash of what is in a directory. */
  dirHash(dir: Node): Digest {
    const known = dir.hash ?? this.get(dir.id)!.hash;
    if (known !== undefined) return known;
    const out = new Writer(8192);
    const hash = createHash("sha256");
    for (const node of this.children(dir.id).sort(byName)) {
      out.text(node.name);
      writeEntry(out, node.entry);
      if (node.entry.kind === "dir") out.digest(this.dirHash(node));
      if (out.length > 60000) hash.update(out.take());
    }
    const digest = hash.update(out.peek()).digest("hex");
    this.#last = undefined;
    this.prepare("UPDATE entry SET content = ? WHERE id = ?").run(hexToBytes(digest), dir.id);
    this.#stale.delete(dir.id);
    return digest;
  }

  #forgetPrint(dir: number): void {
    if (dir <= 0 || this.#unprinted.has(dir)) return;
    this.#unprinted.add(dir);
    this.prepare(FORGET_PRINT).run(dir);
  }

  // A directory whose hash is not known has none above it known either, so the way up ends at the first such.
  #invalidate(id: number): void {
    this.#forgetPrint(id);
    const select = this.prepare("SELECT parent FROM entry WHERE id = ?");
    const update = this.prepare("UPDATE entry SET content = NULL WHERE id = ? AND content IS NOT NULL");
    while (id > 0 && !this.#stale.has(id)) {
      this.#stale.add(id);
      this.#last = undefined;
      update.run(id);
      const row = select.get(id) as unknown as [bigint] | undefined;
      id = row ? Number(row[0]) : 0;
    }
  }

  /** The id of the directory at `path`, or undefined if there is none. */
  dirAt(path: RelPath): number | undefined {
    if (path === ROOT) return ROOT_ID;
    const known = this.#dirs.get(path);
    if (known !== undefined) return known;
    let id = ROOT_ID;
    for (const name of namesOf(path)) {
      const node = this.child(id, name);
      if (node?.entry.kind !== "dir") return undefined;
      id = node.id;
    }
    if (this.#dirs.size >= 10_000) this.#dirs.clear();
    this.#dirs.set(path, id);
    return id;
  }

  #number(sql: string, ...values: number[]): number {
    return Number((this.prepare(sql).get(...values) as unknown as [bigint | null])[0] ?? 0);
  }

  protected override forgetAll(): void {
    this.#dirs.clear();
    this.#stale.clear();
    this.#unprinted.clear();
    this.#last = undefined;
  }

  /** The recipe by whose chunks a file is known. */
  #indexed(id: number, entry: Entry): Recipe | undefined {
    return isIndexed(entry) ? this.recipe(id) : undefined;
  }

  /** Gives a file that is kept in the history, and known by its chunks, another id. @returns That and its recipe. */
  #renumber(id: number | undefined): { id: number; recipe: Recipe } | undefined {
    const node = id === undefined ? undefined : this.get(id);
    const recipe = node?.parent === HISTORY ? this.#indexed(node.id, node.entry) : undefined;
    if (!recipe) return undefined;
    this.#last = undefined;
    this.prepare("UPDATE entry SET id = ? WHERE id = ?").run(this.#nextId, id!);
    return { id: this.#nextId++, recipe };
  }
}

/** The canonical order of names within a directory, under the Merkle hash. */
export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** Whether an entry is known by its chunks. */
function isIndexed(entry: Entry): boolean {
  return entry.kind === "file" && entry.size >= CHUNKS_FROM_BYTES;
}
