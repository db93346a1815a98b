// Which mirror a path of this machine lies in. What is asked for may be gone.

import { dirname, join, relative, resolve, sep } from "node:path";
import { FatalError, PathError } from "../core/errors.ts";
import { parsePath, PRIVATE, type RelPath } from "../core/path.ts";

/** A place in a mirror. */
export interface InMirror {
  /** The mirror's directory, absolute. */
  readonly root: string;
  readonly path: RelPath;
}

/**
 * Finds the mirror that holds `path`, or held it.
 * @throws {FatalError} If there is none.
 */
export function findMirror(path: string): InMirror {
  const absolute = realParent(resolve(path));
  for (let dir = absolute;; dir = dirname(dir)) {
    if (isMirror(dir)) {
      try {
        return { root: dir, path: parsePath(relative(dir, absolute).split(sep).join("/")) };
      } catch (error) {
        if (!(error instanceof PathError)) throw error;
        throw new FatalError(
          `Cannot look for "${path}": that is dirsync's own; name the path that it had in the mirror`,
        );
      }
    }
    if (dirname(dir) === dir) break;
  }
  throw new FatalError(
    `Cannot look for "${path}": no directory above it is a mirror; name a path in the directory of a server`,
  );
}

/** Whether `path`, absolute, is the mirror's directory or in it. */
export function isInside(path: string, root: string): boolean {
  const below = relative(root, realParent(path));
  return below === "" || below !== ".." && !below.startsWith(`..${sep}`) && resolve(root, below) !== below;
}

function isMirror(dir: string): boolean {
  try {
    return Deno.lstatSync(join(dir, PRIVATE)).isDirectory &&
      ["id", "history"].some((name) => exists(join(dir, PRIVATE, name)));
  } catch {
    return false;
  }
}

/** The path with the symbolic links resolved that lead to its directory, as far as that is there. */
function realParent(path: string): string {
  for (let dir = dirname(path);; dir = dirname(dir)) {
    try {
      return join(Deno.realPathSync(dir), relative(dir, path));
    } catch {
      if (dirname(dir) === dir) return path;
    }
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
