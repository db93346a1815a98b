// Makes the index say what the mirror holds: at the start, and wherever it turned out to be wrong. What the index vouches for
// (the same inode, size and times as when it was written) is not read; the rest is, and becomes known chunk by chunk.

import { averageFor, Cutter } from "../core/chunker.ts";
import { isOfPath, ProblemError } from "../core/errors.ts";
import { type FileSystem, holesOf, linkOf, type Stat } from "../core/fs.ts";
import { joinPath, parentOf, type RelPath, ROOT } from "../core/path.ts";
import { contentOf, digestOf, digestOfChunk } from "../core/recipe.ts";
import { ROOT_ID } from "../core/schema.ts";
import { agrees } from "../core/survey.ts";
import type { Node } from "../core/entry_rows.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import { type Attributes, type Digest, type Entry, type Recipe } from "../core/types.ts";
import { encodeXattrs } from "../core/xattrs.ts";
import { isSame, seenOf } from "./seen.ts";

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
    index.setAttributes(root, attributesOf(ROOT, root, stat, deps));
    index.setSeen(ROOT_ID, seenOf(stat));
  }
  using cutter = new Cutter();
  await scanDir(ROOT, ROOT_ID, deps, cutter);
}

/** Scans one directory of the mirror and all below it, or where it is none any more, the one that it was in. */
export async function rescan(dir: RelPath, deps: MirrorScanDeps): Promise<void> {
  const node = deps.index.find(dir);
  using cutter = new Cutter();
  try {
    if (node?.entry.kind === "dir") return await scanDir(dir, node.id, deps, cutter);
  } catch (error) {
    if (dir === ROOT || !isOfPath(error)) throw error;
  }
  if (dir !== ROOT) await rescan(parentOf(dir), deps);
}

async function scanDir(dir: RelPath, id: number, deps: MirrorScanDeps, cutter: Cutter): Promise<void> {
  const { fs, index, problem } = deps;
  const { isKnown, print, entries } = fs.survey(dir, index.print(id));
  const rows = isKnown ? new Map<string, Node>() : index.childrenByName(id);
  const isQuiet = isKnown || agrees(entries, rows, isSame);
  if (isQuiet && !isKnown) index.setPrint(id, print);
  for (const { name, stat } of entries) {
    if (stat.kind === "other" || isQuiet && stat.kind !== "dir") continue;
    await deps.breathe();
    const path = joinPath(dir, name);
    const row = isKnown ? index.child(id, name) : rows.get(name);
    rows.delete(name);
    try {
      const known = row && isSame(row, stat) ? row.id : await take(path, id, name, row, stat, deps, cutter);
      if (stat.kind === "dir") await scanDir(path, known, deps, cutter);
    } catch (error) {
      problem(path, error);
      if (row) index.remove(row.id);
    }
  }
  // Of a quiet directory all that is left is there.
  if (!isQuiet) { for (const row of rows.values()) index.remove(row.id); }
}

/**
 * Learns by which print a directory is known, if all in it is as the index says; what is not, the next scan looks at.
 * @throws {Error} What the file system says.
 */
export function learnPrint(id: number, { fs, index }: Pick<MirrorScanDeps, "fs" | "index">): void {
  const dir = index.pathOf(id);
  if (dir === undefined) return;
  const { print, entries } = fs.survey(dir, undefined);
  if (agrees(entries, index.childrenByName(id), isSame)) index.setPrint(id, print);
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
  const attributes = attributesOf(path, row, stat, deps);
  let entry: Entry;
  let recipe: Recipe | undefined;
  if (stat.kind === "dir") entry = { kind: "dir", ...attributes };
  else if (stat.kind === "symlink") entry = { kind: "symlink", ...attributes, target: fs.readLink(path) };
  else {
    recipe = await readRecipe(path, stat, row, deps, cutter);
    entry = { kind: "file", ...attributes, size: stat.size, average: recipe.average, content: contentOf(recipe) };
  }
  return index.put(parent, name, entry, seenOf(stat), recipe);
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
  cutter.start((offset, into) => file.readAt(offset, into), {
    size: stat.size,
    average,
    dataFrom: holesOf(file, stat),
  });
  for (let chunk = cutter.next(); chunk; chunk = cutter.next()) {
    lengths.push(chunk.bytes.length);
    digests.push(digestOfChunk(chunk));
    await deps.breathe();
  }
  const after = file.stat();
  if (after.size !== stat.size || after.mtimeNs !== stat.mtimeNs) throw new ProblemError("it changes while it is read");
  return { average, lengths, digests };
}

/**
 * What an entry is to have: where the disk has what was seen of it, that which was wanted, which may be more than the disk can
 * hold; else what the disk has.
 */
function attributesOf(path: RelPath, row: Node | undefined, stat: Stat, { fs, index }: MirrorScanDeps): Attributes {
  const known = row?.seen && row.entry.kind === stat.kind ? { ...row.entry, seen: row.seen } : undefined;
  const { seen } = known ?? {};
  const itself = seen?.ino === stat.ino ? known : undefined;
  const hasNames = stat.nlink > 1 && stat.kind !== "dir";
  return {
    mode: known && seen!.mode === stat.mode ? known.mode : stat.mode,
    mtimeNs: known && seen!.mtimeNs === stat.mtimeNs ? known.mtimeNs : stat.mtimeNs,
    uid: known && seen!.uid === stat.uid ? known.uid : stat.uid,
    gid: known && seen!.gid === stat.gid ? known.gid : stat.gid,
    link: (hasNames ? linkOfTwin(row, stat, index) : 0) || itself?.link || (hasNames ? linkOf(stat) : 0),
    xattrs: fs.features.xattrs && stat.kind !== "symlink" ? readXattrs(path, fs, index) : itself?.xattrs ?? "",
  };
}

/** The number that another name of this very file has: two that are one on the disk must not count as two. */
function linkOfTwin(row: Node | undefined, stat: Stat, index: TreeIndex): number {
  return index.withInode(stat.ino).find(({ id, entry }) => id !== row?.id && entry.link !== 0)?.entry.link ?? 0;
}

function readXattrs(path: RelPath, fs: FileSystem, index: TreeIndex): Digest | "" {
  const xattrs = fs.xattrs(path);
  if (xattrs.size === 0) return "";
  const bytes = encodeXattrs(xattrs);
  const digest = digestOf(bytes);
  index.addXattrs(digest, bytes);
  return digest;
}
