// Where the mirror keeps what is its own: all in one private folder at its root, so on its own file system.

import type { FileSystem } from "../core/fs.ts";
import type { Node } from "../core/entry_rows.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import { isWithin, joinPath, PRIVATE, type RelPath, ROOT } from "../core/path.ts";

/** The private folder. */
export const PRIVATE_DIR = joinPath(ROOT, PRIVATE);
/** New versions of files until they are committed. */
export const STAGE_DIR = joinPath(PRIVATE_DIR, "stage");
/** What arrived of files that were never committed. */
export const LEFT_DIR = joinPath(PRIVATE_DIR, "left");
/** Entries between two places. */
export const SLOT_DIR = joinPath(PRIVATE_DIR, "slots");
/** The commit under way. */
export const JOURNAL = joinPath(PRIVATE_DIR, "journal");

/** What was replaced or removed, by the time of the commit that did it. */
export const HISTORY_DIR = joinPath(PRIVATE_DIR, "history");

/** Place of slot number `slot`, or of what is at `below` in it. */
export function slotPath(slot: number, below: RelPath = ROOT): RelPath {
  return joinPath(joinPath(SLOT_DIR, String(slot)), below);
}

/** Where an entry of the index is: in the mirror or in the history. */
export function pathOrKept(index: TreeIndex, id: number): RelPath | undefined {
  const path = index.pathOf(id);
  if (path !== undefined) return path;
  const place = index.keptAt(id);
  return place === undefined ? undefined : joinPath(HISTORY_DIR, place);
}

/** What the index knows at a path of the history. */
export function keptNode(index: TreeIndex, path: RelPath): Node | undefined {
  return isWithin(path, HISTORY_DIR) ? index.kept(path.slice(HISTORY_DIR.length + 1) as RelPath) : undefined;
}

/** Where an entry of the index is: in the mirror or in a slot. */
export function pathOrSlot(index: TreeIndex, id: number): RelPath | undefined {
  const slot = index.slotOf(id);
  return slot ? slotPath(slot.slot, slot.below) : index.pathOf(id);
}

/** Slots from this number on are the server's own. */
export const FIRST_FREE_SLOT = 1_000_000;

/** Place of a slot that holds nothing. */
export function freeSlot(fs: FileSystem): RelPath {
  for (let slot = FIRST_FREE_SLOT;; slot++) if (!fs.lstat(slotPath(slot))) return slotPath(slot);
}
