// Surveys of directories: made of a listing, for layers that have no cheaper way to it; and held against rows of an index.

import { Writer } from "./codec.ts";
import type { Node } from "./entry_rows.ts";
import type { Listed, Stat, Survey } from "./fs.ts";
import { isPrivateName, type RelPath, ROOT } from "./path.ts";
import { digestOf } from "./recipe.ts";
import type { Digest } from "./types.ts";

/** The survey of the directory `dir`, in which `listed` is. */
export function surveyOf(dir: RelPath, listed: readonly Listed[], known: Digest | undefined): Survey {
  const entries = listed.filter(({ name }) => !(dir === ROOT && isPrivateName(name)));
  const out = new Writer();
  for (const { name, stat } of entries) {
    const { kind, mode, uid, gid, size, mtimeNs, ctimeNs, ino, nlink } = stat;
    out.text(name);
    out.text([kind, mode, uid, gid, size, mtimeNs, ctimeNs, ino, nlink].join());
  }
  const print = digestOf(out.peek());
  const isKnown = print === known;
  return { print, isKnown, entries: isKnown ? entries.filter(({ stat }) => stat.kind === "dir") : entries };
}

/** Whether all that a directory holds is as its rows say, which are by name, and nothing of them is missing. */
export function agrees(
  entries: readonly Listed[],
  rows: ReadonlyMap<string, Node>,
  isSame: (row: Node, stat: Stat) => boolean,
): boolean {
  return entries.length === rows.size && entries.every(({ name, stat }) => {
    const row = rows.get(name);
    return row !== undefined && isSame(row, stat);
  });
}
