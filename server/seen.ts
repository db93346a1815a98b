// What the index notes of an entry of the mirror, and whether the disk still has it so.

import type { FileSystem, Stat } from "../core/fs.ts";
import type { Node, Seen } from "../core/entry_rows.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import { pathOrSlot } from "./places.ts";

/** What the index notes of an entry of the mirror. Only we write there, so nothing is racy. */
export function seenOf(stat: Stat | undefined): Seen | undefined {
  if (!stat) return undefined;
  const { ino, mtimeNs, ctimeNs, mode, uid, gid } = stat;
  return { ino, mtimeNs, ctimeNs, mode, uid, gid, racy: false };
}

/** Whether the index vouches for what lstat says. Sizes are those of the content that was seen. */
export function isSame({ entry, seen }: Node, stat: Stat): boolean {
  if (!seen || entry.kind !== stat.kind || seen.ino !== stat.ino || seen.mtimeNs !== stat.mtimeNs) return false;
  if (seen.mode !== stat.mode || seen.uid !== stat.uid || seen.gid !== stat.gid || seen.ctimeNs !== stat.ctimeNs) {
    return false;
  }
  return entry.kind !== "file" || entry.size === stat.size;
}

/** Notes that we have taken a name from the file that was as `before` says: which is no change of what is seen under the others. */
export function nameWent(fs: FileSystem, index: TreeIndex, before: Stat): void {
  for (const node of index.withInode(before.ino)) {
    if (node.seen?.ctimeNs !== before.ctimeNs) continue;
    const path = pathOrSlot(index, node.id), stat = path === undefined ? undefined : fs.lstat(path);
    if (stat?.ino === before.ino) index.setSeen(node.id, { ...node.seen, ctimeNs: stat.ctimeNs });
  }
}
