// The mirror's private folder must be the server's own. Whoever owns the mirror's directory could put another in its place: what its
// journal says is carried out at the next start with the rights of the server.

import { FatalError, reasonOf } from "../core/errors.ts";
import { PRIVATE } from "../core/path.ts";

/** @throws {FatalError} If there is a private folder in the mirror `root`, and it is somebody else's. */
export function requireOwnFolder(root: string, me: number | null = Deno.uid()): void {
  const folder = `${root}/${PRIVATE}`;
  try {
    const { uid, isDirectory } = Deno.lstatSync(folder);
    if (!isDirectory || isOwn(uid, me, () => ownerOfNew(folder))) return;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw new FatalError(`Cannot use "${folder}": ${reasonOf(error)}`, { cause: error });
  }
  throw new FatalError(
    `Cannot use "${folder}": it belongs to another user, who could have put anything there; if it is from a server of yours, ` +
      "give it to the user that this one runs as: chown -R",
  );
}

/**
 * Whether a folder is ours.
 * @param uid Whose it is; null on systems without owners.
 * @param ownerOfNew Whose a file is that we make in it: on some file systems all is one user's, whoever makes it.
 */
export function isOwn(uid: number | null, me: number | null, ownerOfNew: () => number | null): boolean {
  return uid === null || me === null || uid === me || uid === ownerOfNew();
}

function ownerOfNew(folder: string): number | null {
  const file = Deno.makeTempFileSync({ dir: folder });
  try {
    return Deno.lstatSync(file).uid;
  } finally {
    Deno.removeSync(file);
  }
}
