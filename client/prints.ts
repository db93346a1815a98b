// Prints that the index learns at the end of a look at everything: a directory in which something differed is now as it was
// surveyed, if all of that could be done. Else the next start would have to compare each of its entries to find that out.

import type { Survey } from "../core/fs.ts";
import type { IgnoreRules } from "../core/ignore.ts";
import type { RelPath } from "../core/path.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { SourceAttributes } from "./attributes.ts";
import { isQuiet } from "./scan.ts";

/** So many entries of directories are remembered, before it is found out what can be learnt of them. */
const MOST_ENTRIES = 50_000;

/** A directory that was surveyed when it was not as the index says. */
export interface Surveyed {
  readonly dir: RelPath;
  readonly survey: Survey;
  /** Rules in force within it, which it does not add to. */
  readonly rules: IgnoreRules;
}

/** The directories of one cycle. */
export class Prints {
  #surveyed: Surveyed[] = [];
  #entries = 0;

  note(surveyed: Surveyed): void {
    this.#entries += surveyed.survey.entries.length;
    this.#surveyed.push(surveyed);
  }

  /** Whether so much is remembered that it should be learnt, in the middle of a cycle: of all of it, what differs has been planned. */
  get isFull(): boolean {
    return this.#entries > MOST_ENTRIES;
  }

  /** Notes the prints of those that the index says the same of by now, and forgets them all. */
  learn(index: TreeIndex, attributes: SourceAttributes): void {
    for (const { dir, survey, rules } of this.#surveyed) {
      const id = index.dirAt(dir);
      if (id === undefined) continue;
      const isThere = isQuiet(
        dir,
        survey.entries,
        index.childrenByName(id),
        rules,
        (row, stat) => attributes.isLevel(row, stat),
      );
      if (isThere) index.setPrint(id, survey.print);
    }
    this.#surveyed = [];
    this.#entries = 0;
  }
}
