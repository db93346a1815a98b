// After a crash in the middle of a commit: carries out on the disk what its journal says and what has not been done yet. Only
// the disk is asked what has been done; nothing is renamed or removed but the very inode that the journal names.

import { type FileSystem, removeTree, replace } from "../core/fs.ts";
import { joinPath, type RelPath } from "../core/path.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { CommitStep } from "./journal.ts";
import { SLOT_DIR, slotPath } from "./places.ts";

/** A slot that no client uses. */
const LINK_SLOT = 2_000_000;

/** Carries out the steps of an interrupted commit, each of which may have been carried out already. */
export function redo(fs: FileSystem, steps: readonly CommitStep[]): void {
  for (const step of steps) {
    try {
      redoStep(fs, step);
    } catch {
      // It cannot be done now: the scan that follows tells what is there, and the client sends what is missing.
    }
  }
}

function redoStep(fs: FileSystem, step: CommitStep): void {
  const { was } = step;
  const is = (path: RelPath) => {
    const stat = was && was.ino !== 0n ? fs.lstat(path) : undefined;
    return stat !== undefined && stat.ino === was!.ino && (was!.mtimeNs ?? stat.mtimeNs) === stat.mtimeNs;
  };
  switch (step.op) {
    case "mkdir":
      if (!fs.lstat(step.path)) fs.mkdir(step.path, step.entry.mode & 0o777 | 0o700);
      return;
    case "file":
      if (fs.lstat(step.at)) fs.rename(step.at, step.path);
      return;
    case "symlink":
      if (!fs.lstat(step.path)) fs.symlink(step.path, step.entry.target);
      return;
    case "link": {
      const other = fs.lstat(step.to), at = slotPath(LINK_SLOT);
      if (!other || other.kind === "dir" || fs.lstat(step.path)?.ino === other.ino) return;
      removeTree(fs, at);
      fs.link(step.to, at);
      return fs.rename(at, step.path);
    }
    case "meta": {
      const kind = fs.lstat(step.path)?.kind;
      const { mode, mtimeNs } = step.attributes;
      // Who owns it is not looked at here, so it may not run as its owner either; the client sees to the rest.
      if (kind) fs.setMeta(step.path, kind === "symlink" ? { mtimeNs } : { mode: mode & 0o1777, mtimeNs });
      return;
    }
    case "move":
      if (is(step.from)) replace(fs, step.from, step.to);
      return;
    case "park":
      if (is(step.path) && !fs.lstat(slotPath(step.slot))) {
        if (step.stays) fs.link(step.path, slotPath(step.slot));
        else fs.rename(step.path, slotPath(step.slot));
      }
      return;
    case "unpark":
      if (fs.lstat(slotPath(step.slot, step.below))) replace(fs, slotPath(step.slot, step.below), step.to);
      return;
    case "remove":
      if (is(step.path)) removeTree(fs, step.path);
      return;
    case "drop":
      return removeTree(fs, slotPath(step.slot));
  }
}

/**
 * Empties the slots that a client left behind when it went away: what the index knows by its inode at a place that is free goes
 * back there; the rest, replaced or removed at its place, goes.
 */
export function emptySlots(fs: FileSystem, index: TreeIndex): void {
  if (fs.lstat(SLOT_DIR)?.kind !== "dir") return;
  for (const { name, stat } of fs.list(SLOT_DIR)) {
    const slot = joinPath(SLOT_DIR, name);
    const home = index.withInode(stat.ino).map(({ id }) => index.pathOf(id)).find((path) =>
      path !== undefined && !fs.lstat(path)
    );
    if (home === undefined || !tryRename(fs, slot, home)) removeTree(fs, slot);
  }
  for (const node of index.parkedAll()) index.remove(node.id);
}

function tryRename(fs: FileSystem, from: RelPath, to: RelPath): boolean {
  try {
    fs.rename(from, to);
    return true;
  } catch {
    // The directory above is gone too.
    return false;
  }
}
