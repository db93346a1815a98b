// The plan: which steps make the mirror what was observed. Pure but for the index, on which each step is carried out as it
// is planned, so that the next one is planned against what the mirror will be then. That makes every order of renames come
// out right: parents come before children, so a place is always final before anything is put into it, and what is in the way
// or wanted elsewhere waits in a slot.

import { isOfPath, reasonOf } from "../core/errors.ts";
import type { FileTree, Stat } from "../core/fs.ts";
import { isWithin, joinPath, nameOf, parentOf, type RelPath, ROOT } from "../core/path.ts";
import type { Node, Seen, TreeIndex } from "../core/tree_index.ts";
import type { ChangeKind } from "../core/events.ts";
import { type Attributes, type Entry, type Kind, sameAttributes, sameButTime, type Step } from "../core/types.ts";
import { hasNames, type SourceAttributes, vouches } from "./attributes.ts";
import { isSameInode, movedFrom, type Observation } from "./scan.ts";

/** A step, and what it is to a person. */
export interface PlannedStep {
  readonly do: "step";
  readonly step: Step;
  readonly change?: {
    readonly change: ChangeKind;
    readonly kind: Kind;
    readonly path: RelPath;
    readonly from?: RelPath;
  };
}

/** A file whose content has to be read to know what is to be done. */
export interface PlannedContent {
  readonly do: "content";
  readonly path: RelPath;
  readonly stat: Stat;
  readonly attributes: Attributes;
  /** The directory that holds it, in the index. */
  readonly parent: number;
  /** The file that the mirror has there, if any. */
  readonly node: Node | undefined;
}

/** Something that is to be looked at again before anything is done. */
export interface PlannedWait {
  readonly do: "wait";
  readonly path: RelPath;
  /** Ms of the clock. */
  readonly until: number;
}

/** What is to be done next. */
export type Planned = PlannedStep | PlannedContent | PlannedWait;

/** What a plan is made with. */
export interface PlanDeps {
  readonly index: TreeIndex;
  /** The source, to read symbolic links and to tell a rename from a hard link. */
  readonly fs: FileTree;
  readonly attributes: SourceAttributes;
  /** What to note of a stat. */
  readonly seenOf: (stat: Stat) => Seen;
  /** Takes what could not be read. */
  readonly problem: (path: RelPath, message: string) => void;
}

/** Plans one cycle, which may be fed with several rounds of observations. */
export class Planner {
  readonly #deps: PlanDeps;
  readonly #index: TreeIndex;
  readonly #gone: (Observation & { what: "gone" })[] = [];
  #slots = 0;
  /** Where what is in the slots was before. */
  readonly #parkedFrom = new Map<number, RelPath>();
  /** The inodes that are sought again among this round's observations. */
  #claimed: ReadonlySet<bigint> = new Set();
  /** Whether another name of the same file is being placed. */
  #amongNames = false;

  constructor(deps: PlanDeps) {
    this.#deps = deps;
    this.#index = deps.index;
  }

  /** Steps for what is there. Each must be carried out, or the content noted in the index, before the next is asked for. */
  *round(observations: readonly Observation[]): Generator<Planned> {
    const claimed = new Set<bigint>();
    for (const seen of observations) if (seen.what === "there") claimed.add(seen.stat.ino);
    this.#claimed = claimed;
    for (const seen of observations) {
      if (seen.what === "gone") this.#gone.push(seen);
      else yield* this.#place(seen.path, seen.stat);
    }
  }

  /**
   * Steps for what is not there any more, after the last round.
   * @param dueAt When what is gone from a path may be deleted; undefined means now.
   */
  *end(now: number, dueAt?: (path: RelPath, now: number) => number): Generator<Planned> {
    for (const { id, path } of this.#gone.splice(0)) {
      const node = this.#index.get(id);
      // What is somewhere else by now has moved, itself or with a directory above it.
      if (!node || this.#index.pathOf(id) !== path) continue;
      const until = dueAt?.(path, now) ?? now;
      if (until > now) {
        yield { do: "wait", path, until };
        continue;
      }
      this.#index.remove(id);
      yield { do: "step", step: { op: "remove", path }, change: { change: "delete", kind: node.entry.kind, path } };
      yield* this.#namesLeft(node, path);
    }
    for (let slot = 0; slot < this.#slots; slot++) {
      const node = this.#index.parked(slot);
      if (!node) continue;
      const path = this.#parkedFrom.get(slot)!, parent = this.#index.dirAt(parentOf(path));
      if (parent !== undefined && !this.#index.find(path)) {
        // What was to take its place could not be read: until that can be, it stays.
        this.#index.move(node, parent, nameOf(path));
        this.#index.setSeen(node.id, undefined);
        yield { do: "step", step: { op: "unpark", slot, below: ROOT, to: path } };
        continue;
      }
      this.#index.remove(node.id);
      const replaced = node.entry.kind !== "dir" && parent !== undefined;
      const change = { change: "delete", kind: node.entry.kind, path } as const;
      yield { do: "step", step: { op: "drop", slot }, ...(replaced ? {} : { change }) };
    }
    this.#slots = 0;
    this.#parkedFrom.clear();
  }

  /** What cannot be read of an entry is its own problem. */
  *#place(path: RelPath, stat: Stat): Generator<Planned> {
    try {
      yield* this.#tryToPlace(path, stat);
    } catch (error) {
      if (!isOfPath(error)) throw error;
      this.#deps.problem(path, reasonOf(error));
    }
  }

  *#tryToPlace(path: RelPath, stat: Stat): Generator<Planned> {
    const index = this.#index;
    if (path === "") return yield* this.#meta(path, index.find(path)!, stat);
    const parent = index.dirAt(parentOf(path));
    // The directory above could not be made: it has been told, and brings this along when it is tried again.
    if (parent === undefined) return;
    const name = nameOf(path);
    let node = index.child(parent, name);
    if (node && this.#deps.attributes.isSame(node, stat)) return;
    const was = node;
    if (!node || !isSameInode(node, stat)) {
      const moved = this.#movable(stat, path);
      if (node && this.#mustLeave(node, stat, moved)) {
        yield this.#park(node, path, stat);
        node = undefined;
      }
      if (moved) node = yield* this.#move(moved, node, path, parent, name);
    }
    if (stat.kind !== "dir") {
      yield* this.#leaf(path, stat, parent, node);
      if (hasNames(stat) && !this.#amongNames) yield* this.#otherNames(path, stat);
    } else if (node) yield* this.#meta(path, node, stat);
    else yield* this.#make(path, parent, stat, { kind: "dir", ...this.#deps.attributes.of(path, stat, undefined) });
    if (was && !isSameInode(was, stat)) yield* this.#namesLeft(was, path);
  }

  /** Places a file or symbolic link where `node` is now, if anything is. */
  *#leaf(path: RelPath, stat: Stat, parent: number, node: Node | undefined): Generator<Planned> {
    const { attributes: source, fs } = this.#deps;
    const known = node !== undefined && vouches(node, stat);
    // What was seen too soon after a change is read again, not taken from another name that was seen as soon.
    if (hasNames(stat) && !source.isTwin(node, stat)) {
      const twin = yield* this.#twin(path, stat);
      if (twin) return yield* this.#link(path, stat, parent, twin);
    }
    if (known) return yield* this.#meta(path, node, stat);
    const attributes = source.of(path, stat, node);
    if (stat.kind === "file") return yield { do: "content", path, stat, attributes, parent, node };
    const target = fs.readLink(path);
    if (node?.entry.kind === "symlink" && node.entry.target === target) return yield* this.#meta(path, node, stat);
    yield* this.#make(path, parent, stat, { kind: "symlink", target, ...attributes }, node);
  }

  /** Another name of the same file that the mirror has, or will have, just as it is here. */
  *#twin(path: RelPath, stat: Stat): Generator<Planned, RelPath | undefined> {
    const { attributes, problem } = this.#deps;
    const [same] = this.#namesOf(path, stat, (node) => attributes.isTwin(node, stat));
    if (same || this.#amongNames) return same?.path;
    // Where only the status has changed, as it does with every name that comes or goes, to look is cheaper than to send.
    const [like] = this.#namesOf(
      path,
      stat,
      ({ seen, entry }) => seen?.mtimeNs === stat.mtimeNs && (entry.kind !== "file" || entry.size === stat.size),
    );
    if (!like) return undefined;
    this.#amongNames = true;
    try {
      yield* this.#place(like.path, stat);
    } catch (error) {
      problem(like.path, reasonOf(error));
    } finally {
      this.#amongNames = false;
    }
    return attributes.isTwin(this.#index.find(like.path), stat) ? like.path : undefined;
  }

  /** What was done to one name of a file was done to all of them, but a watcher names only one. */
  *#otherNames(path: RelPath, stat: Stat): Generator<Planned> {
    this.#amongNames = true;
    try {
      const isOdd = (node: Node) => !this.#deps.attributes.isTwin(node, stat);
      for (const { path: other } of [...this.#namesOf(path, stat, isOdd)]) yield* this.#place(other, stat);
    } finally {
      this.#amongNames = false;
    }
  }

  /** Before a name of a file went, the file may have been changed by it, of which a watcher names no other. */
  *#namesLeft({ entry, seen }: Node, path: RelPath): Generator<Planned> {
    if (entry.link === 0 || !seen) return;
    for (const { id } of this.#index.withInode(seen.ino)) {
      const other = this.#index.pathOf(id);
      const stat = other === undefined || other === path ? undefined : this.#deps.fs.lstat(other);
      if (stat && stat.ino === seen.ino && stat.kind === entry.kind) yield* this.#place(other!, stat);
    }
  }

  /** The other names that the index knows of the file at `path`, as far as they suit and it has them still. */
  *#namesOf(path: RelPath, stat: Stat, suits: (node: Node) => boolean): Generator<{ path: RelPath; node: Node }> {
    for (const node of this.#index.withInode(stat.ino)) {
      if (node.entry.kind !== stat.kind || !suits(node)) continue;
      const other = this.#index.pathOf(node.id);
      if (other === undefined || other === path) continue;
      const there = this.#deps.fs.lstat(other);
      if (there?.ino === stat.ino && there.dev === stat.dev) yield { path: other, node };
    }
  }

  /** Makes `path` another name of what is at `to`. */
  *#link(path: RelPath, stat: Stat, parent: number, to: RelPath): Generator<Planned> {
    const index = this.#index;
    const { id, entry } = index.find(to)!;
    const old = index.child(parent, nameOf(path));
    index.put(parent, nameOf(path), entry, this.#deps.seenOf(stat), index.recipe(id));
    const change = !old ? "create" : isSameContent(old.entry, entry) ? "metadata" : "update";
    yield { do: "step", step: { op: "link", path, to }, change: { change, kind: entry.kind, path } };
  }

  /** Where the entry was before, if a rename is what happened and the mirror can follow it. */
  #movable(stat: Stat, to: RelPath): Node | undefined {
    const moved = movedFrom(this.#index, this.#deps.fs, stat);
    const from = moved && this.#index.pathOf(moved.id);
    // A directory cannot move into itself; who asks for that saw the source in the middle of something.
    return from !== undefined && isWithin(to, from) ? undefined : moved;
  }

  /** Whether what is in place has to wait in a slot. */
  #mustLeave(node: Node, stat: Stat, moved: Node | undefined): boolean {
    if (node.seen && this.#claimed.has(node.seen.ino) && node.seen.ino !== 0n) return true;
    return node.entry.kind === "dir" ? moved !== undefined || stat.kind !== "dir" : stat.kind === "dir";
  }

  #park(node: Node, path: RelPath, stat: Stat): Planned {
    const slot = this.#slots++;
    this.#index.park(node, slot);
    this.#parkedFrom.set(slot, path);
    const stays = node.entry.kind !== "dir" && stat.kind !== "dir";
    return { do: "step", step: { op: "park", path, slot, stays } };
  }

  /** Brings `moved` here, in place of `node` (a file or symbolic link, of no use any more). */
  *#move(moved: Node, node: Node | undefined, path: RelPath, parent: number, name: string): Generator<Planned, Node> {
    const from = this.#index.pathOf(moved.id);
    const slot = from === undefined ? this.#index.slotOf(moved.id)! : undefined;
    if (node) this.#index.remove(node.id);
    this.#index.move(moved, parent, name);
    const kind = moved.entry.kind;
    const was = from ?? joinPath(this.#parkedFrom.get(slot!.slot)!, slot!.below);
    const step: Step = slot ? { op: "unpark", ...slot, to: path } : { op: "move", from: was, to: path };
    yield { do: "step", step, change: { change: "move", kind, path, from: was } };
    return this.#index.get(moved.id)!;
  }

  *#make(
    path: RelPath,
    parent: number,
    stat: Stat,
    entry: Entry & { kind: "dir" | "symlink" },
    old?: Node,
  ): Generator<Planned> {
    const id = this.#index.put(parent, nameOf(path), entry, this.#deps.seenOf(stat));
    this.#index.separate(entry.link, id);
    const step: Step = entry.kind === "dir" ? { op: "mkdir", path, entry } : { op: "symlink", path, entry };
    yield { do: "step", step, change: { change: old ? "update" : "create", kind: entry.kind, path } };
  }

  *#meta(path: RelPath, node: Node, stat: Stat): Generator<Planned> {
    const { entry } = node;
    const attributes = this.#deps.attributes.of(path, stat, node);
    this.#index.setSeen(node.id, this.#deps.seenOf(stat));
    if (sameAttributes(entry, attributes)) return;
    this.#index.setAttributes(node, attributes);
    const step: Step = { op: "meta", path, attributes };
    // A directory's time changes with every entry made in it: nothing to tell a person about.
    if (entry.kind === "dir" && sameButTime(entry, attributes)) yield { do: "step", step };
    else yield { do: "step", step, change: { change: "metadata", kind: entry.kind, path } };
  }
}

function isSameContent(a: Entry, b: Entry): boolean {
  if (a.kind === "file") return b.kind === "file" && a.content === b.content;
  return a.kind === "symlink" && b.kind === "symlink" && a.target === b.target;
}
