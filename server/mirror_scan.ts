// Makes the index say what the mirror holds: at the start, and wherever it turned out to be wrong. What the index vouches for
// (the same inode, size and times as when it was written) is not read; the rest is, and becomes known chunk by chunk.

import { averageFor, Cutter } from "../core/chunker.ts";
import { ProblemError } from "../core/errors.ts";
import type { FileSystem, Stat } from "../core/fs.ts";
import { isPrivateName, joinPath, parentOf, type RelPath, ROOT } from "../core/path.ts";
import { contentOf, digestOf } from "../core/recipe.ts";
import { ROOT_ID } from "../core/schema.ts";
import type { Node, TreeIndex } from "../core/tree_index.ts";
import type { Entry, Recipe } from "../core/types.ts";
import { seenOf } from "./commit.ts";

/** What a scan of the mirror works with. */
export interface MirrorScanDeps {
  readonly fs: FileSystem;
  readonly index: TreeIndex;
  /** Gives the thread to others now and then; rejects to stop. */
  readonly breathe: () => Promise<void> | undefined;
  /** Takes what could not be read; the index forgets it. */
  readonly problem: (path: RelPath, error: unknown) => void;
}

/** Scans the whole mirror. */
export async function scanMirror(deps: MirrorScanDeps): Promise<void> {
  const { fs, index } = deps;
  const root = index.get(ROOT_ID)!;
  const stat = fs.lstat(ROOT);
  if (stat?.kind !== "dir") throw new ProblemError("the mirror's directory is gone");
  if (!isSame(root, stat)) {
    index.setMeta(root, stat.mode, stat.mtimeNs);
    index.setSeen(ROOT_ID, seenOf(stat));
  }
  await scanDir(ROOT, ROOT_ID, deps, new Cutter());
}

/** Scans one directory of the mirror and all below it, or what has taken its place. */
export async function rescan(dir: RelPath, deps: MirrorScanDeps): Promise<void> {
  const node = deps.index.find(dir);
  if (!node) return dir === ROOT ? undefined : await rescan(parentOf(dir), deps);
  if (node.entry.kind === "dir") await scanDir(dir, node.id, deps, new Cutter());
}

async function scanDir(dir: RelPath, id: number, deps: MirrorScanDeps, cutter: Cutter): Promise<void> {
  const { fs, index, problem } = deps;
  const rows = new Map(index.children(id).map((row) => [row.name, row] as const));
  for (const { name, stat } of fs.list(dir)) {
    if (dir === ROOT && isPrivateName(name) || stat.kind === "other") continue;
    await deps.breathe();
    const path = joinPath(dir, name);
    const row = rows.get(name);
    try {
      const known = row && isSame(row, stat) ? row.id : await take(path, id, name, row, stat, deps, cutter);
      if (stat.kind === "dir") await scanDir(path, known, deps, cutter);
      rows.delete(name);
    } catch (error) {
      problem(path, error);
    }
  }
  for (const row of rows.values()) index.remove(row.id);
}

/** Puts what is at `path` into the index. @returns Its id. */
async function take(
  path: RelPath,
  parent: number,
  name: string,
  row: Node | undefined,
  stat: Stat,
  deps: MirrorScanDeps,
  cutter: Cutter,
): Promise<number> {
  const { fs, index } = deps;
  const { mode, mtimeNs } = stat;
  let entry: Entry;
  let recipe: Recipe | undefined;
  if (stat.kind === "dir") entry = { kind: "dir", mode, mtimeNs };
  else if (stat.kind === "symlink") entry = { kind: "symlink", mtimeNs, target: fs.readLink(path) };
  else {
    recipe = await readRecipe(path, stat, row, deps, cutter);
    entry = { kind: "file", mode, mtimeNs, size: stat.size, average: recipe.average, content: contentOf(recipe) };
  }
  const id = index.put(parent, name, entry, seenOf(stat), recipe);
  if (recipe) index.addChunks(id, recipe);
  return id;
}

async function readRecipe(
  path: RelPath,
  stat: Stat,
  row: Node | undefined,
  deps: MirrorScanDeps,
  cutter: Cutter,
): Promise<Recipe> {
  const average = averageFor(stat.size, row?.entry.kind === "file" ? row.entry.average : undefined);
  const lengths: number[] = [];
  const digests: string[] = [];
  using file = deps.fs.openFile(path);
  cutter.start((offset, into) => file.readAt(offset, into), { size: stat.size, average });
  for (let chunk = cutter.next(); chunk; chunk = cutter.next()) {
    lengths.push(chunk.bytes.length);
    digests.push(digestOf(chunk.bytes));
    await deps.breathe();
  }
  const after = file.stat();
  if (after.size !== stat.size || after.mtimeNs !== stat.mtimeNs) throw new ProblemError("it changes while it is read");
  return { average, lengths, digests };
}

/** Whether the index vouches for what lstat says. Sizes are those of the content that was seen. */
function isSame({ entry, seen }: Node, stat: Stat): boolean {
  if (!seen || entry.kind !== stat.kind || seen.ino !== stat.ino || seen.mtimeNs !== stat.mtimeNs) return false;
  if (entry.kind === "dir") return stat.mode === entry.mode;
  if (seen.ctimeNs !== stat.ctimeNs) return false;
  return entry.kind === "symlink" || entry.size === stat.size && entry.mode === stat.mode;
}
