// The root of the source: whether it is there, and which directory it is. A drive that is unmounted leaves another directory on
// another device at its place, and one that is mounted there brings another.

import { reasonOf, SourceGoneError } from "../core/errors.ts";
import type { FileTree, Stat } from "../core/fs.ts";
import { ROOT } from "../core/path.ts";

/** A root that is missing is looked for this often, and one that is there looked at, lest it be another unsaid (ms). */
export const ROOT_LOOK_MS = 2000;

/** What the root is, as a text that the index keeps; "" where inodes identify nothing. */
export type RootId = string;

/** Looks at the root. @throws {SourceGoneError} If it is no directory, or cannot be looked at. */
export function lookAtRoot(fs: FileTree): Stat {
  let stat: Stat | undefined;
  try {
    stat = fs.lstat(ROOT);
  } catch (error) {
    throw new SourceGoneError(reasonOf(error));
  }
  if (!stat) throw new SourceGoneError("it does not exist");
  if (stat.kind !== "dir") throw new SourceGoneError("it is not a directory any more");
  return stat;
}

/** Which directory the root is. */
export function rootId({ dev, ino }: Stat): RootId {
  return dev === 0n || ino === 0n ? "" : `${dev} ${ino}`;
}

/**
 * Whether one root is another directory on another device than the other one. Where only the device differs, the same file
 * system was mounted again under another number; where only the inode, the user has put another directory into its place.
 */
export function isAnotherRoot(a: RootId, b: RootId): boolean {
  if (a === "" || b === "") return false;
  const [device, inode] = a.split(" "), [otherDevice, otherInode] = b.split(" ");
  return device !== otherDevice && inode !== otherInode;
}
