// The scan: what of the source differs from the index. Input: the whole tree or the paths that a watcher named; output:
// observations, parents before children. It reads directories and metadata only, never content, and it never follows a
// symbolic link. What it cannot read is a problem, and nothing below it counts as gone.

import { isOfPath, reasonOf } from "../core/errors.ts";
import type { FileTree, Listed, Stat, Survey } from "../core/fs.ts";
import { IGNORE_FILE, type IgnoreRules, MAX_IGNORE_BYTES } from "../core/ignore.ts";
import { comparePaths, fromBytes, isWithin, joinPath, nameOf, parentOf, type RelPath, ROOT } from "../core/path.ts";
import { ROOT_ID } from "../core/schema.ts";
import { agrees } from "../core/survey.ts";
import type { Node } from "../core/entry_rows.ts";
import type { Digest } from "../core/types.ts";
import { byName, type TreeIndex } from "../core/tree_index.ts";
import { hasNames, type SourceAttributes } from "./attributes.ts";
import type { Surveyed } from "./prints.ts";
import { lookAtRoot } from "./source_root.ts";

/** One difference between the source and the index. */
export type Observation =
  /** Here is an entry that is new, or not as the index has it. */
  | { readonly what: "there"; readonly path: RelPath; readonly stat: Stat }
  /** Nothing is at `path` any more, where the entry with this id would be if it is not elsewhere. */
  | { readonly what: "gone"; readonly id: number; readonly path: RelPath };

/** What a scan works on. */
export interface ScanDeps {
  readonly fs: FileTree;
  readonly index: TreeIndex;
  readonly attributes: SourceAttributes;
  /** Rules that hold from the root on. */
  readonly rules: IgnoreRules;
  /** Takes what could not be read. */
  readonly problem: (path: RelPath, message: string) => void;
  /** Called for every directory that was new to the index, since events in such may have been lost. */
  readonly fresh: (dir: RelPath) => void;
  /** Called for every directory that cannot be read: nothing in it counts as gone. */
  readonly unread: (dir: RelPath) => void;
  /** Whether inode numbers are of the file system that the index knows: only then do they tell of renames. */
  readonly followRenames: boolean;
  /** What is in a directory. @throws {Error} What the file system says. */
  readonly survey: (dir: RelPath, known: Digest | undefined) => Survey;
  /** Called for every directory that turned out to be as the index says. */
  readonly quiet?: (dir: RelPath, survey: Survey) => void;
  /** Called for every directory that did not, unless it has an ignore file, once all that differs in it has been told. */
  readonly differing?: (surveyed: Surveyed) => void;
}

/** How far a walk descends: into every directory, or only into those that the index does not know. */
type Depth = "all" | "new";

/** Observes the whole source. @throws {SourceGoneError} */
export function* scanAll(deps: ScanDeps): Generator<Observation> {
  yield* new Walk(deps).dir(ROOT, lookAtRoot(deps.fs), deps.index.get(ROOT_ID), "all", deps.rules);
}

/**
 * Observes the given paths, and the times of the directories that hold them. A directory among them is observed with all that is
 * in it, even one that has not changed: it may have been elsewhere meanwhile, and what changed in it then was named by another
 * path. So is one whose ignore file is among the paths.
 */
export function* scanPaths(paths: Iterable<RelPath>, deps: ScanDeps): Generator<Observation> {
  const walk = new Walk(deps);
  const wholly = new Set<RelPath>();
  const parents = new Set<RelPath>();
  for (const path of paths) {
    if (nameOf(path) === IGNORE_FILE) wholly.add(walk.firstOdd(parentOf(path)));
    const odd = walk.firstOdd(path);
    wholly.add(odd);
    parents.add(parentOf(odd));
  }
  let walked: RelPath | undefined;
  for (const path of [...new Set([...wholly, ...parents])].sort(comparePaths)) {
    if (walked !== undefined && isWithin(path, walked)) continue;
    const whole = yield* walk.path(path, wholly.has(path));
    if (whole) walked = path;
  }
}

/** Observes directories of which the index may know only a part of the names, what is in them, and whatever is new below. */
export function* scanNames(dirs: Iterable<RelPath>, deps: ScanDeps): Generator<Observation> {
  const walk = new Walk(deps);
  for (const path of [...dirs].sort(comparePaths)) {
    const node = deps.index.find(path);
    const stat = deps.fs.lstat(path);
    const rules = path === ROOT ? deps.rules : walk.rulesFor(parentOf(path));
    if (!rules || node?.entry.kind !== "dir" || stat?.kind !== "dir") continue;
    if (path !== ROOT && !deps.attributes.isSame(node, stat)) yield { what: "there", path, stat };
    yield* walk.dir(path, stat, node, "new", rules);
  }
}

/** One scan: what it has learnt of ignore rules, and the steps of the walk. */
class Walk {
  readonly #deps: ScanDeps;
  /** Rules in force within a directory. */
  readonly #rules = new Map<RelPath, IgnoreRules | undefined>();
  /** The topmost odd one of directories and their ancestors; the root, which never is, where none is. */
  readonly #odd = new Map<RelPath, RelPath>();

  constructor(deps: ScanDeps) {
    this.#deps = deps;
  }

  /** The topmost of `path` and its ancestors that is no directory, or none that the index knows; `path` if all are. */
  firstOdd(path: RelPath): RelPath {
    return this.#oddAt(parentOf(path)) ?? path;
  }

  /** The topmost of `dir` and its ancestors that is odd, if one is. Of a thousand paths in one directory, the first asks. */
  #oddAt(dir: RelPath): RelPath | undefined {
    if (dir === ROOT) return undefined;
    const known = this.#odd.get(dir);
    if (known !== undefined) return known === ROOT ? undefined : known;
    const { fs, index } = this.#deps;
    const isOdd = () => !isDirectory(fs, dir) || index.find(dir)?.entry.kind !== "dir";
    const odd = this.#oddAt(parentOf(dir)) ?? (isOdd() ? dir : undefined);
    this.#odd.set(dir, odd ?? ROOT);
    return odd;
  }

  /** Observes one path. @returns Whether all that is below it was observed too. */
  *path(path: RelPath, wholly: boolean): Generator<Observation, boolean> {
    const { fs, index, attributes, problem } = this.#deps;
    const node = index.find(path);
    const parent = parentOf(path);
    let stat: Stat | undefined;
    try {
      stat = path === ROOT ? lookAtRoot(fs) : fs.lstat(path);
    } catch (error) {
      if (path === ROOT) throw error;
      problem(path, reasonOf(error));
      return false;
    }
    const rules = path === ROOT ? this.#deps.rules : this.rulesFor(parent);
    // What is meant is not known, which has been told: as it is, it stays, on both sides.
    if (!rules) return false;
    if (path !== ROOT && rules.ignores(path, stat ? stat.kind === "dir" : node?.entry.kind === "dir")) return true;
    if (!stat || stat.kind === "other") {
      if (stat) problem(path, OTHER);
      if (node) yield { what: "gone", id: node.id, path };
      return true;
    }
    if (!attributes.isSame(node, stat)) yield { what: "there", path, stat };
    if (stat.kind !== "dir") return true;
    if (!wholly && node?.entry.kind === "dir" && isSameInode(node, stat)) return false;
    yield* this.dir(path, stat, node, "all", rules);
    return true;
  }

  /**
   * Observes what is in a directory and, below it, what `depth` says.
   * @param node The directory at this path in the index, if there is one.
   */
  *dir(path: RelPath, stat: Stat, node: Node | undefined, depth: Depth, above: IgnoreRules): Generator<Observation> {
    const { fs, index, attributes, problem, unread } = this.#deps;
    if (path === ROOT && !attributes.isSame(node, stat)) yield { what: "there", path, stat };
    let survey: Survey;
    const same = node && isSameInode(node, stat) ? node : undefined;
    try {
      // What is asked for of all entries is not in a print.
      survey = this.#deps.survey(path, same && !attributes.lookAtAll ? index.print(same.id) : undefined);
    } catch (error) {
      if (!isOfPath(error)) throw error;
      unread(path);
      return problem(path, reasonOf(error));
    }
    const listed = survey.entries.sort(byName);
    if (survey.isKnown) return yield* this.#descend(path, same!, listed, depth, above);
    let rules = above;
    if (listed.some(({ name, stat }) => name === IGNORE_FILE && stat.kind === "file")) {
      try {
        rules = readIgnoreFile(fs, path, above);
      } catch (error) {
        // What is meant is not known, so the directory stays as it is on both sides.
        unread(path);
        return problem(joinPath(path, IGNORE_FILE), reasonOf(error));
      }
    }
    this.#rules.set(path, rules);
    const before = this.#counterpart(path, node, stat);
    if (!before) this.#deps.fresh(path);
    const rows = before ? index.childrenByName(before.node.id) : new Map<string, Node>();
    const isSame = (row: Node, stat: Stat) => attributes.isSame(row, stat);
    if (same && rules === above && isQuiet(path, listed, rows, rules, isSame)) {
      index.setPrint(same.id, survey.print);
      this.#deps.quiet?.(path, survey);
      return yield* this.#descend(path, same, listed, depth, rules);
    }
    for (const { name, stat } of listed) {
      const child = joinPath(path, name);
      if (rules.ignores(child, stat.kind === "dir")) {
        rows.delete(name);
        continue;
      }
      if (stat.kind === "other") {
        problem(child, name.includes("\ufffd") ? NO_NAME : OTHER);
        continue;
      }
      const row = rows.get(name);
      rows.delete(name);
      if (before?.certain !== true || !attributes.isSame(row, stat)) yield { what: "there", path: child, stat };
      if (stat.kind === "dir" && (depth === "all" || row?.entry.kind !== "dir")) {
        yield* this.dir(child, stat, row, depth, rules);
      }
    }
    // What is left is not here any more; what is excluded is nobody's business, on both sides.
    for (const row of rows.values()) {
      const child = joinPath(path, row.name);
      if (!rules.ignores(child, row.entry.kind === "dir")) yield { what: "gone", id: row.id, path: child };
    }
    if (rules === above) this.#deps.differing?.({ dir: path, survey, rules });
  }

  /** Observes what is below a directory in which itself nothing differs. */
  *#descend(
    path: RelPath,
    node: Node,
    listed: readonly Listed[],
    depth: Depth,
    rules: IgnoreRules,
  ): Generator<Observation> {
    this.#rules.set(path, rules);
    // There are no directories in it that the index does not know.
    if (depth === "new") return;
    for (const { name, stat } of listed) {
      const child = joinPath(path, name);
      if (stat.kind !== "dir" || rules.ignores(child, true)) continue;
      yield* this.dir(child, stat, this.#deps.index.child(node.id, name), depth, rules);
    }
  }

  /** Rules in force within a directory; undefined, and a problem, where they cannot be read. */
  rulesFor(dir: RelPath): IgnoreRules | undefined {
    if (this.#rules.has(dir)) return this.#rules.get(dir);
    const above = dir === ROOT ? this.#deps.rules : this.rulesFor(parentOf(dir));
    let rules = above;
    try {
      if (above && this.#deps.fs.lstat(joinPath(dir, IGNORE_FILE))?.kind === "file") {
        rules = readIgnoreFile(this.#deps.fs, dir, above);
      }
    } catch (error) {
      this.#deps.problem(joinPath(dir, IGNORE_FILE), reasonOf(error));
      rules = undefined;
    }
    this.#rules.set(dir, rules);
    return rules;
  }

  /**
   * The directory of the index whose entries are to be compared with those on the disk: the one with the same inode, here or
   * where it was before; else the one at this path, of which then nothing is certain.
   */
  #counterpart(path: RelPath, node: Node | undefined, stat: Stat): { node: Node; certain: boolean } | undefined {
    const here = node?.entry.kind === "dir" ? node : undefined;
    if (here && isSameInode(here, stat)) return { node: here, certain: true };
    // A directory that is still where it was, in another one that has the name of the one it was in, has moved as well.
    const { followRenames } = this.#deps;
    const moved = followRenames ? movedFrom(this.#deps.index, this.#deps.fs, stat, path) : undefined;
    if (moved) return { node: moved, certain: true };
    return here && { node: here, certain: false };
  }
}

const OTHER = "it is neither a file nor a directory nor a symbolic link; skipped";
const NO_NAME = "its name is not valid UTF-8, which this file system layer cannot read; skipped";

/** Whether all that is in a directory, and nothing else, is as its rows say, whatever the rules on what to ignore may be. */
export function isQuiet(
  dir: RelPath,
  listed: readonly Listed[],
  rows: ReadonlyMap<string, Node>,
  rules: IgnoreRules,
  isSame: (row: Node, stat: Stat) => boolean,
): boolean {
  return agrees(listed, rows, (row, stat) =>
    // What its link number is to be depends on rows elsewhere.
    (row.entry.link === 0 || hasNames(stat)) &&
    isSame(row, stat) && !rules.ignores(joinPath(dir, row.name), stat.kind === "dir"));
}

/**
 * Whether the entry at a place is the very one that the index knows there, whatever became of its content. Of what came from a
 * mirror's listing the inode is not known: it may be, if nothing else is.
 */
export function isSameInode(node: Node, stat: Stat): boolean {
  return node.entry.kind === stat.kind && node.seen?.ino === stat.ino;
}

/**
 * The entry of the index that has become the one with this stat by a rename: the same inode, kind and (of a file) size and
 * mtime, and its old place does not hold that inode any more (or it waits in a slot, or the old place is the one at `path`).
 */
export function movedFrom(index: TreeIndex, fs: FileTree, stat: Stat, path?: RelPath): Node | undefined {
  return index.withInode(stat.ino).find((node) => {
    const { entry, seen } = node;
    if (entry.kind !== stat.kind || node.id === ROOT_ID) return false;
    if (entry.kind === "file" && (entry.size !== stat.size || seen?.mtimeNs !== stat.mtimeNs)) return false;
    const from = index.pathOf(node.id);
    return from === undefined || from === path || !holdsInode(fs, from, stat.ino);
  });
}

/** Whether this inode is at `path`; where that cannot be known, it is. */
function holdsInode(fs: FileTree, path: RelPath, ino: bigint): boolean {
  try {
    return fs.lstat(path)?.ino === ino;
  } catch {
    return true;
  }
}

function isDirectory(fs: FileTree, path: RelPath): boolean {
  try {
    return fs.lstat(path)?.kind === "dir";
  } catch {
    return false;
  }
}

function readIgnoreFile(fs: FileTree, dir: RelPath, above: IgnoreRules): IgnoreRules {
  using file = fs.openFile(joinPath(dir, IGNORE_FILE));
  const bytes = new Uint8Array(Math.min(file.stat().size, MAX_IGNORE_BYTES + 1));
  return above.withFile(dir, fromBytes(bytes.subarray(0, file.readAt(0, bytes))));
}
