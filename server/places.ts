// Where the mirror keeps what is its own: all in one private folder at its root, so on its own file system.

import { joinPath, PRIVATE, type RelPath, ROOT } from "../core/path.ts";

/** The private folder. */
export const PRIVATE_DIR = joinPath(ROOT, PRIVATE);
/** New versions of files until they are committed. */
export const STAGE_DIR = joinPath(PRIVATE_DIR, "stage");
/** Entries between two places. */
export const SLOT_DIR = joinPath(PRIVATE_DIR, "slots");
/** The commit under way. */
export const JOURNAL = joinPath(PRIVATE_DIR, "journal");

/** Place of slot number `slot`, or of what is at `below` in it. */
export function slotPath(slot: number, below: RelPath = ROOT): RelPath {
  return joinPath(joinPath(SLOT_DIR, String(slot)), below);
}
