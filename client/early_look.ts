// A look at the source while the server still looks at its mirror: what of it is as it was the last time, by the prints of the
// index that the mirror probably still agrees with. It decides nothing: the scan that follows, which asks the index that it is to
// ask, takes from here what it would survey with the same print, instead of surveying it again. So it is worth something only
// until something may have changed.

import { isOfPath } from "../core/errors.ts";
import type { FileTree, Survey } from "../core/fs.ts";
import { joinPath, type RelPath, ROOT } from "../core/path.ts";
import { ROOT_ID } from "../core/schema.ts";
import type { TreeIndex } from "../core/tree_index.ts";

/** Surveys of directories that were found as their prints say. */
export type EarlyLook = ReadonlyMap<RelPath, Survey>;

/** Surveys all directories of which the index has a print. */
export function lookEarly(fs: FileTree, index: TreeIndex): EarlyLook {
  const found = new Map<RelPath, Survey>();
  const look = (path: RelPath, id: number) => {
    const print = index.print(id);
    if (print !== undefined) {
      const survey = surveyOf(fs, path, print);
      if (survey?.isKnown) found.set(path, survey);
    }
    for (const { name, id: below } of index.directoriesIn(id)) look(joinPath(path, name), below);
  };
  look(ROOT, ROOT_ID);
  return found;
}

/** What cannot be read is the scan's business. */
function surveyOf(fs: FileTree, path: RelPath, print: string): Survey | undefined {
  try {
    return fs.survey(path, print);
  } catch (error) {
    if (!isOfPath(error)) throw error;
    return undefined;
  }
}
