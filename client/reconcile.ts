// Makes the index tell the truth about the mirror: where the Merkle hashes differ, the mirror's listing replaces what the index
// believed. One round trip for each level of the tree, and only where there are differences.

import { joinPath, type RelPath, ROOT } from "../core/path.ts";
import { ROOT_ID } from "../core/schema.ts";
import type { Node } from "../core/entry_rows.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import { type Entry, sameAttributes } from "../core/types.ts";
import type { ListedEntry } from "../core/wire.ts";
import type { Remote } from "./remote.ts";

/** Directories asked about at once. */
const AT_ONCE = 64;

/**
 * Brings the index level with the mirror, whose root hash is known to be another.
 * @returns The paths at which the index was wrong: the source is to be compared with it there again.
 */
export async function reconcile(index: TreeIndex, remote: Remote, signal: AbortSignal): Promise<RelPath[]> {
  const wrong: RelPath[] = [];
  const differ: RelPath[] = [ROOT];
  while (differ.length > 0) {
    signal.throwIfAborted();
    const some = differ.splice(0, AT_ONCE);
    const listings = await Promise.all(some.map((path) => remote.list(path)));
    listings.forEach(({ dir, entries }, i) => {
      const path = some[i]!;
      const node = index.find(path);
      if (node?.entry.kind !== "dir") return;
      if (node.id === ROOT_ID && !sameAttributes(node.entry, dir)) {
        index.setAttributes(node, dir);
        wrong.push(ROOT);
      }
      const found = takeOver(index, node, entries);
      for (const name of found.differ) differ.push(joinPath(path, name));
      for (const name of found.wrong) wrong.push(joinPath(path, name));
    });
  }
  return wrong;
}

/** Makes the index agree with one listing. @returns What was wrong, and the directories in it whose content differs. */
function takeOver(index: TreeIndex, dir: Node, entries: readonly ListedEntry[]): { wrong: string[]; differ: string[] } {
  const rows = index.childrenByName(dir.id);
  const wrong: string[] = [], differ: string[] = [];
  for (const { name, entry, hash } of entries) {
    const row = rows.get(name);
    rows.delete(name);
    if (!row || !isEqual(row.entry, entry)) {
      wrong.push(name);
      // What was seen of the source says nothing about another content, or about attributes that lstat does not tell.
      const same = row?.entry.kind === "file" && entry.kind === "file" && row.entry.content === entry.content &&
        row.entry.xattrs === entry.xattrs;
      index.put(dir.id, name, entry, same ? row.seen : undefined, same ? index.recipe(row.id) : undefined);
    }
    if (entry.kind === "dir" && index.dirHash(index.child(dir.id, name)!) !== hash) differ.push(name);
  }
  for (const row of rows.values()) {
    index.remove(row.id);
    wrong.push(row.name);
  }
  return { wrong, differ };
}

function isEqual(a: Entry, b: Entry): boolean {
  if (a.kind !== b.kind || !sameAttributes(a, b)) return false;
  if (a.kind === "symlink") return a.target === (b as typeof a).target;
  return a.kind === "dir" || a.content === (b as typeof a).content;
}
