// What the history keeps of a path: its versions, through renames of it and of the directories that it was in.

import type { FileTree } from "../core/fs.ts";
import { isWithin, joinPath, type RelPath } from "../core/path.ts";
import { type Effect, type Stamp } from "./history_log.ts";
import { type Chronicle, Past, type PastNode } from "./past.ts";
import { HISTORY_DIR } from "./places.ts";

/** Something that is kept. */
export interface Version {
  /** When it went. */
  readonly at: Stamp;
  /** Whether something else took its place. */
  readonly what: "replaced" | "deleted";
  readonly kind: PastNode["kind"];
  /** Where it was. */
  readonly path: RelPath;
  /** Where it lies. */
  readonly place: RelPath;
  readonly mtimeNs: bigint;
  /** Of all files that it is or holds. */
  readonly bytes: number;
  readonly files: number;
}

/** The versions of what is, or was, at `path` and below it; the newest first. */
export function versionsOf(fs: FileTree, { lines }: Chronicle, path: RelPath): Version[] {
  const versions: Version[] = [];
  const past = new Past(fs, []);
  let name = path;
  for (let i = lines.length - 1; i >= 0; i--) {
    const { at, did } = lines[i]!;
    for (let k = did.length - 1; k >= 0; k--) {
      const effect = did[k]!;
      // Before that, it had another name.
      if (effect[0] === ">" && isWithin(name, effect[2])) {
        name = joinPath(effect[1], name.slice(effect[2].length + 1));
      }
      if (effect[0] !== "-") continue;
      const gone = effect[1], place = joinPath(HISTORY_DIR, effect[2] ?? joinPath(at as RelPath, gone));
      if (!isWithin(gone, name) && !isWithin(name, gone)) continue;
      // Of a directory that went whole, what is asked for.
      const below = isWithin(gone, name) ? place : joinPath(place, name.slice(gone.length + 1));
      const stat = fs.lstat(below);
      if (!stat || stat.kind === "other") continue;
      const { files, bytes } = past.sizeOf({ kind: stat.kind, place: below });
      versions.push({
        at,
        what: isReplacement(did[k + 1], gone) ? "replaced" : "deleted",
        kind: stat.kind,
        path: isWithin(gone, name) ? gone : name,
        place: below,
        mtimeNs: stat.mtimeNs,
        bytes,
        files,
      });
    }
  }
  return versions;
}

function isReplacement(next: Effect | undefined, path: RelPath): boolean {
  return next?.[0] === "+" && next[1] === path || next?.[0] === ">" && next[2] === path;
}
