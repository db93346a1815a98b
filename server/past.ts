// The mirror as it was: today's tree, from which the history's log is undone backwards. Only directories in which something has
// changed are listed; of the rest it is known where they lie today, in the mirror or in the history.

import type { FileTree, Stat } from "../core/fs.ts";
import { isPrivateName, isWithin, joinPath, nameOf, namesOf, parentOf, type RelPath, ROOT } from "../core/path.ts";
import { dayOf, type Effect, listHistory, type LogLine, readLog, type Stamp } from "./history_log.ts";
import { HISTORY_DIR, SLOT_DIR } from "./places.ts";

/** An entry as it was. */
export interface PastNode {
  readonly kind: "dir" | "file" | "symlink";
  /** Where it lies today; undefined for a directory of which nothing is left. */
  readonly place: RelPath | undefined;
  /** Attributes that it had then, where it has others today. */
  attributes?: { readonly mode: number; readonly mtimeNs: bigint; readonly uid: number; readonly gid: number };
  /** What was in it, where that is not what is at its place today. */
  children?: Map<string, PastNode>;
  /** Whether it had other names. */
  hasNames?: boolean;
  /** Whether it is a later version, since its own has been thinned. */
  readonly isLater?: boolean;
}

/** The log of a mirror and what lies beside it. */
export interface Chronicle {
  /** What commits did, in order. */
  readonly lines: readonly LogLine[];
  /** The first moment that is known; undefined if none is. */
  readonly first: Stamp | undefined;
}

/**
 * Reads what commits did at `since` and later. Of a moment that the log has lost, what lies in its folder is told as if it had
 * gone by itself.
 */
export function readChronicle(fs: FileTree, since: Stamp = ""): Chronicle {
  const { stamps, days } = listHistory(fs);
  const lines = days.filter((day) => day >= dayOf(since)).flatMap((day) => readLog(fs, day));
  const told = new Set(lines.flatMap(({ at, did }) => [at, ...did.flatMap(placeStamps)]));
  for (const at of stamps) {
    if (at >= since && !told.has(at)) lines.push({ at, did: filesIn(fs, at as RelPath).map((path) => ["-", path]) });
  }
  lines.sort((a, b) => a.at < b.at ? -1 : a.at > b.at ? 1 : 0);
  const [first] = [lines[0]?.at, stamps[0], ...days.slice(0, 1).flatMap((day) => readLog(fs, day)[0]?.at ?? [])]
    .filter((at) => at !== undefined).sort();
  return { lines: lines.filter(({ at }) => at >= since), first };
}

/** A mirror's past. */
export class Past {
  readonly #fs: FileTree;
  readonly #root: PastNode = { kind: "dir", place: ROOT };
  readonly #slots: PastNode = { kind: "dir", place: SLOT_DIR };
  /** What was taken from a path last: for want of what was there before, which has been thinned. */
  readonly #later = new Map<RelPath, PastNode>();
  /** Paths of which nothing is kept. */
  readonly missing = new Set<RelPath>();

  /** @param lines What commits did since then, in order. */
  constructor(fs: FileTree, lines: readonly LogLine[]) {
    this.#fs = fs;
    for (let i = lines.length - 1; i >= 0; i--) {
      const { at, did } = lines[i]!;
      for (let k = did.length - 1; k >= 0; k--) this.#undo(at, did[k]!);
    }
  }

  /** What was at `path`. */
  find(path: RelPath): PastNode | undefined {
    let node: PastNode | undefined = isWithin(path, SLOT_DIR) ? this.#slots : this.#root;
    for (const name of namesOf(this.#below(path))) node = node && this.children(node)?.get(name);
    return node;
  }

  /** What was in a directory; undefined of what is none. */
  children(node: PastNode): Map<string, PastNode> | undefined {
    if (node.kind !== "dir") return undefined;
    return node.children ??= new Map(this.#list(node.place));
  }

  /** Number and size of the files that an entry is or holds. */
  sizeOf(node: PastNode): { files: number; bytes: number } {
    if (node.kind === "file") return { files: 1, bytes: node.place ? this.#fs.lstat(node.place)?.size ?? 0 : 0 };
    const sum = { files: node.kind === "symlink" ? 1 : 0, bytes: 0 };
    for (const child of this.children(node)?.values() ?? []) {
      const { files, bytes } = this.sizeOf(child);
      sum.files += files;
      sum.bytes += bytes;
    }
    return sum;
  }

  #undo(at: Stamp, effect: Effect): void {
    switch (effect[0]) {
      case "+": {
        const node = this.#take(effect[1]);
        if (node) this.#later.set(effect[1], node);
        return;
      }
      case "-": {
        const place = joinPath(HISTORY_DIR, effect[2] ?? joinPath(at as RelPath, effect[1]));
        const node = nodeAt(place, this.#fs.lstat(place)) ?? this.#thinned(effect[1]);
        if (node) this.#put(effect[1], node);
        else this.missing.add(effect[1]);
        return;
      }
      case "&": {
        const other = this.find(effect[2]);
        if (other?.kind !== "dir" && other) this.#put(effect[1], { ...other, hasNames: other.hasNames = true });
        return;
      }
      case ">": {
        const node = this.#take(effect[2]);
        if (node) this.#put(effect[1], node);
        return;
      }
      case "=": {
        const [, path, mode, mtimeNs, uid, gid] = effect;
        const node = this.find(path);
        if (node) node.attributes = { mode, mtimeNs: BigInt(mtimeNs), uid, gid };
      }
    }
  }

  #thinned(path: RelPath): PastNode | undefined {
    const node = this.#later.get(path);
    return node && { ...node, isLater: true };
  }

  /** Takes away what is at `path`. */
  #take(path: RelPath): PastNode | undefined {
    const dir = this.find(this.#parentOf(path)), siblings = dir && this.children(dir);
    const node = siblings?.get(nameOf(path));
    siblings?.delete(nameOf(path));
    return node;
  }

  /** Puts something to `path`; a directory of which nothing is known is made for it. */
  #put(path: RelPath, node: PastNode): void {
    let dir = isWithin(path, SLOT_DIR) ? this.#slots : this.#root;
    for (const name of namesOf(this.#below(this.#parentOf(path)))) {
      let next = this.children(dir)!.get(name);
      if (next?.kind !== "dir") this.children(dir)!.set(name, next = { kind: "dir", place: undefined });
      dir = next;
    }
    this.children(dir)!.set(nameOf(path), node);
  }

  #parentOf(path: RelPath): RelPath {
    return path === SLOT_DIR ? SLOT_DIR : parentOf(path);
  }

  #below(path: RelPath): RelPath {
    return isWithin(path, SLOT_DIR) ? path.slice(SLOT_DIR.length + 1) as RelPath : path;
  }

  *#list(place: RelPath | undefined): Generator<[string, PastNode]> {
    if (place === undefined || this.#fs.lstat(place)?.kind !== "dir") return;
    for (const { name, stat } of this.#fs.list(place)) {
      const node = place === ROOT && isPrivateName(name) ? undefined : nodeAt(joinPath(place, name), stat);
      if (node) yield [name, node];
    }
  }
}

function nodeAt(place: RelPath, stat: Stat | undefined): PastNode | undefined {
  return stat && stat.kind !== "other" ? { kind: stat.kind, place } : undefined;
}

/** Stamps of other moments whose folders hold what an effect speaks of. */
function placeStamps(effect: Effect): Stamp[] {
  return effect[0] === "-" && effect[2] !== undefined ? [namesOf(effect[2])[0]!] : [];
}

/** Paths of the files and symbolic links in the folder of a moment. */
function filesIn(fs: FileTree, stamp: RelPath): RelPath[] {
  const paths: RelPath[] = [], dirs = [ROOT];
  for (let dir = dirs.pop(); dir !== undefined; dir = dirs.pop()) {
    for (const { name, stat } of fs.list(joinPath(joinPath(HISTORY_DIR, stamp), dir))) {
      if (stat.kind === "dir") dirs.push(joinPath(dir, name));
      else paths.push(joinPath(dir, name));
    }
  }
  return paths;
}
