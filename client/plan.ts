// The plan: which steps make the mirror what was observed. Pure but for the index, on which each step is carried out as it
// is planned, so that the next one is planned against what the mirror will be then. That makes every order of renames come
// out right: parents come before children, so a place is always final before anything is put into it, and what is in the way
// or wanted elsewhere waits in a slot. What takes something from the mirror for good comes last: first it is known in full, so
// that the brake can be asked about it.

import { isOfPath, reasonOf } from "../core/errors.ts";
import type { FileTree, Stat } from "../core/fs.ts";
import { isWithin, joinPath, nameOf, parentOf, type RelPath, ROOT } from "../core/path.ts";
import type { Node, Seen } from "../core/entry_rows.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { ChangeKind } from "../core/events.ts";
import { type Attributes, type Entry, type Kind, sameAttributes, sameButTime, type Step } from "../core/types.ts";
import { hasNames, type SourceAttributes, vouches } from "./attributes.ts";
import { firstWithin, Harm, type HarmKind } from "./harm.ts";
import { isSameInode, movedFrom, type Observation } from "./scan.ts";

/** What depends on something that is placed at the very end is looked at again after this (ms). */
const AGAIN_MS = 10;

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
  /** It is not to be sent yet, but compared: if it differs, the planner is told (`postpone`). */
  readonly compare: boolean;
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
  /** Whether inode numbers are of the file system that the index knows: only then do they tell of renames. */
  readonly followRenames: boolean;
  /** Whether the root is still the one that was observed: what another one lacks has not moved. */
  readonly isSameRoot: () => boolean;
  /** Whether to replace the mirror's content does harm too: the source is not the one that it was. */
  readonly guardContent: boolean;
}

/** Something that does harm, or lies below what does: it is placed after the brake was asked, if at all. */
interface Postponed {
  readonly path: RelPath;
  readonly stat: Stat;
  readonly kind: HarmKind;
  /** The path of the directory that it is in, if that is postponed. */
  readonly below: RelPath | undefined;
}

/** Plans one cycle, which may be fed with several rounds of observations. */
export class Planner {
  readonly #deps: PlanDeps;
  readonly #index: TreeIndex;
  readonly #gone: (Observation & { what: "gone" })[] = [];
  readonly #postponed: Postponed[] = [];
  /** Directories among them. */
  readonly #postponedDirs = new Set<RelPath>();
  /** Whether the brake has been asked. */
  #ending = false;
  #slots = 0;
  /** Where what is in the slots was before. */
  readonly #parkedFrom = new Map<number, RelPath>();
  /** The inodes that are sought again among this round's observations, and what has them now. */
  #claimed: ReadonlyMap<bigint, Kind> = new Map();
  /** Whether another name of the same file is being placed. */
  #amongNames = false;

  constructor(deps: PlanDeps) {
    this.#deps = deps;
    this.#index = deps.index;
  }

  /** Steps for what is there. Each must be carried out, or the content noted in the index, before the next is asked for. */
  *round(observations: readonly Observation[]): Generator<Planned> {
    this.#claimed = claimsOf(observations.filter((seen) => seen.what === "there"));
    for (const seen of observations) {
      if (seen.what === "gone") this.#gone.push(seen);
      else if (!this.#isPostponed(seen.path, seen.stat)) yield* this.#place(seen.path, seen.stat);
    }
  }

  /** Whether something may be to be lost. */
  get hasLosses(): boolean {
    return this.#gone.length > 0 || this.#postponed.length > 0;
  }

  /** Forgets what may be to be lost: what is, is going to be told once more. */
  forgetLosses(): void {
    this.#gone.length = this.#postponed.length = 0;
    this.#postponedDirs.clear();
  }

  /** Whether it lies below something that waits for the brake, and so waits with it. */
  #isPostponed(path: RelPath, stat: Stat): boolean {
    if (this.#postponedDirs.size === 0 || path === ROOT) return false;
    const below = firstWithin(parentOf(path), this.#postponedDirs);
    if (below !== undefined) this.#postponed.push({ path, stat, kind: "replace", below });
    return below !== undefined;
  }

  /** Lets what is at `path` wait until the brake has been asked. */
  postpone(path: RelPath, stat: Stat, kind: HarmKind = "replace"): void {
    this.#postponed.push({ path, stat, kind, below: undefined });
    if (stat.kind === "dir") this.#postponedDirs.add(path);
  }

  /**
   * What is to be lost, after the last round.
   * @param dueAt When what is gone from a path may be deleted; undefined means now.
   */
  settle(now: number, dueAt?: (path: RelPath, now: number) => number): Settled {
    const index = this.#index;
    const harm = new Harm();
    const settled: Settled = { harm, waits: [], harmless: [], harmful: [], gone: [], after: [] };
    const wait = (path: RelPath, until: number) => settled.waits.push({ do: "wait", path, until });
    const wanted = new Set<number>(), harmful = new Set<RelPath>();
    for (const postponed of this.#postponed) {
      const { path, stat, kind, below } = postponed;
      const moved = this.#movable(stat, path), node = index.find(path);
      if (moved) wanted.add(moved.id);
      if (below !== undefined ? harmful.has(below) : node && this.#doesHarm(kind, node, stat, moved)) {
        const until = kind === "empty" ? dueAt?.(path, now) ?? now : now;
        if (until > now) {
          wait(path, until);
          continue;
        }
        harmful.add(path);
        settled.harmful.push(postponed);
        if (below === undefined) harm.add(kind, path, kind === "delete" ? this.#sizeOf(node!) : 1);
      } else settled.harmless.push(postponed);
    }
    const due = new Map<RelPath, Node>();
    for (const { id, path } of this.#gone) {
      // Where it is to be is known once what is postponed is in its place.
      if (firstWithin(path, this.#postponedDirs) !== undefined) {
        settled.after.push(path);
        continue;
      }
      // What is somewhere else by now has moved, itself or with a directory above it.
      const node = index.get(id);
      if (!node || index.pathOf(id) !== path) continue;
      const until = dueAt?.(path, now) ?? now;
      if (wanted.has(id)) settled.after.push(path);
      else if (until > now) wait(path, until);
      else due.set(path, node);
    }
    for (const [path, node] of due) {
      if (path !== ROOT && firstWithin(parentOf(path), due) !== undefined) continue;
      settled.gone.push({ path, node });
      harm.add("delete", path, this.#sizeOf(node));
    }
    return settled;
  }

  /**
   * The last steps.
   * @param now Ms of the clock.
   * @param go Whether what does harm may go. What may not stays in the mirror as it is, and is due still.
   */
  *end({ harmless, harmful, gone, after }: Settled, now: number, go: boolean): Generator<Planned> {
    this.#ending = true;
    const rest = go ? [...harmless, ...harmful] : harmless;
    this.#claimed = claimsOf(rest);
    for (const { path, stat } of rest) yield* this.#place(path, stat);
    if (go) yield* this.#remove(gone, rest.length > 0);
    yield* this.#emptySlots();
    for (const path of go ? after : []) yield { do: "wait", path, until: now + AGAIN_MS };
  }

  /** How many entries one is with all that is below it. */
  #sizeOf({ id, entry }: Node): number {
    return entry.kind === "dir" ? this.#index.size(id) : 1;
  }

  /** @param haveMoved Whether something has been placed since it was found to be gone, and may have come from there. */
  *#remove(gone: Settled["gone"], haveMoved: boolean): Generator<Planned> {
    for (const { path, node } of gone) {
      if (haveMoved && this.#index.pathOf(node.id) !== path) continue;
      this.#index.remove(node.id);
      yield { do: "step", step: { op: "remove", path }, change: { change: "delete", kind: node.entry.kind, path } };
      for (const planned of this.#namesLeft(node, path)) {
        haveMoved = true;
        yield planned;
      }
    }
  }

  /** Removes what nobody came for. */
  *#emptySlots(): Generator<Planned> {
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
      // It has not been looked at, whatever the index says of it.
      const node = this.#index.find(path);
      if (node) this.#index.setSeen(node.id, undefined);
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
    const moved = !node || !isSameInode(node, stat) ? this.#movable(stat, path) : undefined;
    const harm = node && !this.#ending ? this.#harmOf(node, stat, moved) : undefined;
    if (harm) return this.postpone(path, stat, harm);
    if (!node || !isSameInode(node, stat)) {
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
    const guarded = node !== undefined && this.#deps.guardContent && !this.#ending;
    // What was seen too soon after a change is read again, not taken from another name that was seen as soon.
    if (hasNames(stat) && !source.isTwin(node, stat)) {
      const twin = yield* this.#twin(path, stat);
      if (twin !== undefined) {
        if (guarded && !isSameContent(node.entry, this.#index.find(twin)!.entry)) return this.postpone(path, stat);
        return yield* this.#link(path, stat, parent, twin);
      }
    }
    if (known) return yield* this.#meta(path, node, stat);
    const attributes = source.of(path, stat, node);
    if (stat.kind === "file") return yield { do: "content", path, stat, attributes, parent, node, compare: guarded };
    const target = fs.readLink(path);
    if (node?.entry.kind === "symlink" && node.entry.target === target) return yield* this.#meta(path, node, stat);
    if (guarded) return this.postpone(path, stat);
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
    if (!this.#deps.followRenames) return undefined;
    const moved = movedFrom(this.#index, this.#deps.fs, stat);
    if (!moved || !this.#deps.isSameRoot()) return undefined;
    const from = this.#index.pathOf(moved.id);
    if (from === undefined || !isWithin(to, from)) return moved;
    // A directory cannot move into itself; who asks for that saw the source in the middle of something, and what is there now is
    // another one.
    this.#index.setSeen(moved.id, undefined);
    return undefined;
  }

  /** What would be lost if the source's entry came into the place of the mirror's, which is not wanted elsewhere. */
  #harmOf(node: Node, stat: Stat, moved: Node | undefined): HarmKind | undefined {
    // Wanted elsewhere, it is not lost; where another came, its own place is elsewhere.
    if (!isSameInode(node, stat) && this.#isClaimed(node)) return undefined;
    if (node.entry.kind === "dir") return stat.kind !== "dir" || moved ? "delete" : undefined;
    if (node.entry.kind === "file" && stat.kind === "file" && stat.size === 0 && node.entry.size > 0) return "empty";
    const isReplaced = moved !== undefined || node.entry.kind !== stat.kind;
    return this.#deps.guardContent && isReplaced ? "replace" : undefined;
  }

  /** Whether it still does the harm for which it was postponed: what it was to replace may have gone elsewhere. */
  #doesHarm(kind: HarmKind, node: Node, stat: Stat, moved: Node | undefined): boolean {
    return kind === "replace" || this.#harmOf(node, stat, moved) === kind;
  }

  /** Whether an entry is wanted elsewhere, as far as its inode tells: the number may have become that of another kind. */
  #isClaimed({ entry, seen }: Node): boolean {
    return this.#deps.followRenames && seen !== undefined && seen.ino !== 0n &&
      this.#claimed.get(seen.ino) === entry.kind;
  }

  /** Whether what is in place has to wait in a slot. */
  #mustLeave(node: Node, stat: Stat, moved: Node | undefined): boolean {
    if (this.#isClaimed(node)) return true;
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
    const seen = this.#deps.seenOf(stat);
    if (sameAttributes(entry, attributes)) return this.#index.setSeen(node.id, seen);
    this.#index.setMeta(node, attributes, seen);
    const step: Step = { op: "meta", path, attributes };
    // A directory's time changes with every entry made in it: nothing to tell a person about.
    if (entry.kind === "dir" && sameButTime(entry, attributes)) yield { do: "step", step };
    else yield { do: "step", step, change: { change: "metadata", kind: entry.kind, path } };
  }
}

/** What is to be lost, and what else is left to do. */
export interface Settled {
  readonly harm: Harm;
  /** What is to be looked at again before anything is done. */
  readonly waits: PlannedWait[];
  /** What was postponed and does no harm after all, and what does. */
  readonly harmless: Postponed[];
  readonly harmful: Postponed[];
  /** What is gone; of what lies in directories that are gone only those. */
  readonly gone: { readonly path: RelPath; readonly node: Node }[];
  /** What is gone from where it was to move from, or to: it is looked at again when that is done. */
  readonly after: RelPath[];
}

function claimsOf(seen: readonly { readonly stat: Stat }[]): Map<bigint, Kind> {
  const claims = new Map<bigint, Kind>();
  for (const { stat: { ino, kind } } of seen) if (kind !== "other") claims.set(ino, kind);
  return claims;
}

function isSameContent(a: Entry, b: Entry): boolean {
  if (a.kind === "file") return b.kind === "file" && a.content === b.content;
  return a.kind === "symlink" && b.kind === "symlink" && a.target === b.target;
}
