// Directories that are to be made: each is made in the stage at once, so that small files that are to be in it are put together
// there, and comes to its place with all of them, in one rename instead of one a file. What else steps do at the same names
// meanwhile counts: a file is put there only if its step could come right after the directory's.

import type { FileSystem } from "../core/fs.ts";
import { joinPath, nameOf, parentOf, type RelPath } from "../core/path.ts";
import { STAGE_DIR } from "./places.ts";

/** A directory in the stage. */
export interface StagedDir {
  readonly at: RelPath;
  /** Whether something is in it that is not to be in the mirror. */
  isSpoiled: boolean;
}

/** The directories that one commit is to make. */
export class StagedDirs {
  readonly #fs: FileSystem;
  /** Each, and which names in it are taken. */
  readonly #dirs = new Map<RelPath, { readonly dir: StagedDir; readonly taken: Set<string> }>();

  constructor(fs: FileSystem) {
    this.#fs = fs;
  }

  /**
   * A directory is to be made at `path`.
   * @param name In the stage; nobody else's.
   * @returns What it is now; undefined where it is to be made at its place.
   */
  make(path: RelPath, mode: number, name: string): StagedDir | undefined {
    if (!this.#fs.features.movesDirs) return undefined;
    const at = joinPath(STAGE_DIR, name);
    try {
      this.#fs.mkdir(at, mode & 0o777 | 0o700);
    } catch {
      // Whatever the reason is, it will be told where it is made.
      return undefined;
    }
    const dir = { at, isSpoiled: false };
    this.#dirs.set(path, { dir, taken: new Set() });
    return dir;
  }

  /** Where to put a file together that is to be at `path`, if it can be in its directory. */
  placeFor(path: RelPath): RelPath | undefined {
    const known = this.#dirs.get(parentOf(path)), name = nameOf(path);
    return known && !known.taken.has(name) ? joinPath(known.dir.at, name) : undefined;
  }

  /** What was begun for `path` could not be removed from where it was put together. */
  spoil(path: RelPath): void {
    const known = this.#dirs.get(parentOf(path));
    if (known) known.dir.isSpoiled = true;
  }

  /** A step is to put something to `path`: what comes there later has to wait for that. */
  take(path: RelPath): void {
    this.#dirs.get(parentOf(path))?.taken.add(nameOf(path));
  }

  /** From now on no file is put into any of them: they are committed, or may be moved by a step. */
  close(): void {
    this.#dirs.clear();
  }
}
