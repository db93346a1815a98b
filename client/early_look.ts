// A look at the source while the server still looks at its mirror: the scan as it will be if that mirror is the one that it was
// the last time. It decides nothing: the scan that follows, which asks the index that it is to ask, takes from here what it would
// survey, instead of surveying it again. So it is worth something only until something may have changed.

import { isOfPath, SourceGoneError } from "../core/errors.ts";
import type { FileTree, Survey } from "../core/fs.ts";
import type { RelPath } from "../core/path.ts";
import type { Digest } from "../core/types.ts";
import { scanAll, type ScanDeps } from "./scan.ts";
import { lookAtRoot, type RootId, rootId } from "./source_root.ts";

/** So many entries are kept of directories in which something differs; what lies in those that are quiet need not be. */
const MOST_ENTRIES = 50_000;
/** Nothing else is done meanwhile, so it is over after this, wherever it is (ms). */
const LONGEST_MS = 1000;

/** What an early look is made with. */
export type EarlyLookDeps = Pick<ScanDeps, "fs" | "index" | "attributes" | "rules"> & {
  /** Ms of the clock. */
  readonly now: () => number;
  /** Whether the index may learn which directories are as it says. */
  readonly keep: boolean;
};

/** What was surveyed. */
export interface EarlyLook {
  /** Of which root: of another it says nothing. */
  readonly root: RootId;
  /** The survey of a directory, if it was made. */
  survey(dir: RelPath, known: Digest | undefined): Survey | undefined;
}

/**
 * Surveys the source, as far as it gets.
 * @returns What there is; undefined where it cannot be told which root that is of.
 */
export function lookEarly({ now, keep, ...deps }: EarlyLookDeps): EarlyLook | undefined {
  const { index, fs } = deps;
  const root = rootIdOf(fs);
  if (root === "") return undefined;
  const found = new Map<RelPath, Survey>();
  const until = now() + LONGEST_MS;
  let entries = 0;
  const scan = scanAll({
    ...deps,
    followRenames: true,
    // All of this is told by the scan that counts.
    problem: () => {},
    fresh: () => {},
    unread: () => {},
    survey: (dir, known) => {
      if (now() > until) throw new EnoughError();
      const survey = fs.survey(dir, known);
      if (survey.isKnown || (entries += survey.entries.length) <= MOST_ENTRIES) found.set(dir, survey);
      return survey;
    },
    quiet: (dir, survey) => {
      if (!keep) return;
      entries -= survey.entries.length;
      found.set(dir, { ...survey, isKnown: true, entries: survey.entries.filter(({ stat }) => stat.kind === "dir") });
    },
  });
  index.begin();
  try {
    while (!scan.next().done);
  } catch (error) {
    if (!(error instanceof EnoughError || error instanceof SourceGoneError || isOfPath(error))) throw error;
  } finally {
    if (keep) index.commit();
    else index.rollback();
  }
  return {
    root,
    survey(dir, known) {
      const survey = found.get(dir), isKnown = survey?.print === known;
      // Of what was known then, only the directories are here.
      return survey && (isKnown || !survey.isKnown) ? { ...survey, isKnown } : undefined;
    },
  };
}

/** Which root there is; "" where there is none, or nothing identifies it. */
function rootIdOf(fs: FileTree): RootId {
  try {
    return rootId(lookAtRoot(fs));
  } catch (error) {
    if (!(error instanceof SourceGoneError)) throw error;
    return "";
  }
}

class EnoughError extends Error {}
