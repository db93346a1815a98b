// The plan: which steps make the mirror what was observed. Pure but for the index, on which each step is carried out as it
// is planned, so that the next one is planned against what the mirror will be then. That makes every order of renames come
// out right: parents come before children, so a place is always final before anything is put into it, and what is in the way
// or wanted elsewhere waits in a slot.

import { reasonOf } from "../core/errors.ts";
import type { FileSystem, Stat } from "../core/fs.ts";
import { isWithin, joinPath, nameOf, parentOf, type RelPath } from "../core/path.ts";
import type { Node, Seen, TreeIndex } from "../core/tree_index.ts";
import type { ChangeKind } from "../core/events.ts";
import type { Entry, Kind, Step } from "../core/types.ts";
import { isSame, isSameInode, movedFrom, type Observation } from "./scan.ts";

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

/** Plans one cycle, which may be fed with several rounds of observations. */
export class Planner {
  readonly #index: TreeIndex;
  readonly #fs: FileSystem;
  readonly #seenOf: (stat: Stat) => Seen;
  readonly #problem: (path: RelPath, message: string) => void;
  readonly #gone: (Observation & { what: "gone" })[] = [];
  #slots = 0;
  /** Where what is in the slots was before. */
  readonly #parkedFrom = new Map<number, RelPath>();

  /**
   * @param fs The source, to read symbolic links and to tell a rename from a hard link.
   * @param seenOf What to note of a stat.
   * @param problem Takes what could not be read.
   */
  constructor(
    index: TreeIndex,
    fs: FileSystem,
    seenOf: (stat: Stat) => Seen,
    problem: (path: RelPath, message: string) => void,
  ) {
    this.#index = index;
    this.#fs = fs;
    this.#seenOf = seenOf;
    this.#problem = problem;
  }

  /** Steps for what is there. Each must be carried out, or the content noted in the index, before the next is asked for. */
  *round(observations: readonly Observation[]): Generator<Planned> {
    const claimed = new Set<bigint>();
    for (const seen of observations) if (seen.what === "there") claimed.add(seen.stat.ino);
    for (const seen of observations) {
      if (seen.what === "gone") this.#gone.push(seen);
      else yield* this.#place(seen.path, seen.stat, claimed);
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
    }
    for (let slot = 0; slot < this.#slots; slot++) {
      const node = this.#index.parked(slot);
      if (!node) continue;
      this.#index.remove(node.id);
      const path = this.#parkedFrom.get(slot)!;
      const replaced = node.entry.kind !== "dir" && this.#index.find(path) !== undefined;
      const change = { change: "delete", kind: node.entry.kind, path } as const;
      yield { do: "step", step: { op: "drop", slot }, ...(replaced ? {} : { change }) };
    }
    this.#slots = 0;
    this.#parkedFrom.clear();
  }

  *#place(path: RelPath, stat: Stat, claimed: ReadonlySet<bigint>): Generator<Planned> {
    const index = this.#index;
    if (path === "") return yield* this.#meta(path, index.find(path)!, stat);
    const parent = index.dirAt(parentOf(path));
    // The directory above could not be made: it has been told, and brings this along when it is tried again.
    if (parent === undefined) return;
    const name = nameOf(path);
    let node = index.child(parent, name);
    if (node && isSame(node, stat)) return;
    if (!node || !isSameInode(node, stat)) {
      const moved = this.#movable(stat, path);
      if (node && this.#mustLeave(node, stat, claimed, moved)) {
        yield this.#park(node, path, stat);
        node = undefined;
      }
      if (moved) node = yield* this.#move(moved, node, path, parent, name);
    }
    switch (stat.kind) {
      case "dir":
        if (node) return yield* this.#meta(path, node, stat);
        yield* this.#make(path, parent, stat, { kind: "dir", mode: stat.mode, mtimeNs: stat.mtimeNs });
        return;
      case "symlink": {
        const target = this.#target(path);
        if (target === undefined) return;
        if (node?.entry.kind === "symlink" && node.entry.target === target && node.entry.mtimeNs === stat.mtimeNs) {
          return index.setSeen(node.id, this.#seenOf(stat));
        }
        return yield* this.#make(path, parent, stat, { kind: "symlink", target, mtimeNs: stat.mtimeNs }, node);
      }
      case "file":
        return yield { do: "content", path, stat, parent, node };
    }
  }

  /** Where the entry was before, if a rename is what happened and the mirror can follow it. */
  #movable(stat: Stat, to: RelPath): Node | undefined {
    const moved = movedFrom(this.#index, this.#fs, stat);
    const from = moved && this.#index.pathOf(moved.id);
    // A directory cannot move into itself; who asks for that saw the source in the middle of something.
    return from !== undefined && isWithin(to, from) ? undefined : moved;
  }

  /** Whether what is in place has to wait in a slot. */
  #mustLeave(node: Node, stat: Stat, claimed: ReadonlySet<bigint>, moved: Node | undefined): boolean {
    if (node.seen && claimed.has(node.seen.ino) && node.seen.ino !== 0n) return true;
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

  #target(path: RelPath): string | undefined {
    try {
      return this.#fs.readLink(path);
    } catch (error) {
      this.#problem(path, reasonOf(error));
      return undefined;
    }
  }

  *#make(
    path: RelPath,
    parent: number,
    stat: Stat,
    entry: Entry & { kind: "dir" | "symlink" },
    old?: Node,
  ): Generator<Planned> {
    this.#index.put(parent, nameOf(path), entry, this.#seenOf(stat));
    const step: Step = entry.kind === "dir" ? { op: "mkdir", path, entry } : { op: "symlink", path, entry };
    yield { do: "step", step, change: { change: old ? "update" : "create", kind: entry.kind, path } };
  }

  *#meta(path: RelPath, node: Node, stat: Stat): Generator<Planned> {
    const { entry } = node;
    this.#index.setSeen(node.id, this.#seenOf(stat));
    if (entry.kind === "symlink" || entry.mode === stat.mode && entry.mtimeNs === stat.mtimeNs) return;
    this.#index.setMeta(node, stat.mode, stat.mtimeNs);
    const step: Step = { op: "meta", path, mode: stat.mode, mtimeNs: stat.mtimeNs };
    // A directory's time changes with every entry made in it: nothing to tell a person about.
    if (entry.mode === stat.mode) yield { do: "step", step };
    else yield { do: "step", step, change: { change: "metadata", kind: entry.kind, path } };
  }
}
