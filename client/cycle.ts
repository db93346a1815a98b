// One cycle, the whole of dirsync's client in one function: scan -> plan -> push -> acknowledged.
// Read this first.

import type { IgnoreRules } from "../core/ignore.ts";
import type { RelPath } from "../core/path.ts";
import type { Departures } from "./departures.ts";
import { Planner } from "./plan.ts";
import { Push, type PushDeps, type PushResult } from "./push.ts";
import { type Observation, scanAll, type ScanDeps, scanNames, scanPaths } from "./scan.ts";

/** What may differ from the index, as far as anybody has said. */
export interface Dirty {
  /** The whole source. */
  readonly all: boolean;
  /** These paths. */
  readonly paths: ReadonlySet<RelPath>;
  /** The names in these directories. */
  readonly names: ReadonlySet<RelPath>;
}

/** What a cycle needs. */
export interface CycleDeps extends PushDeps {
  /** Whether what the index learns is to be kept: false for a dry run, within a transaction of its own. */
  readonly keep: boolean;
  /** What is gone and may come back under another name. */
  readonly departures: Departures;
  /** Rules that hold from the root on. */
  readonly rules: IgnoreRules;
}

/** What came of a cycle. */
export interface CycleResult extends PushResult {
  /** Directories that were new to the index: events in them may have been lost. */
  readonly fresh: Set<RelPath>;
}

/** Observations planned and sent together: few at first, so that the link has something to do, then more. */
const FIRST_ROUND = 1024;
const LARGEST_ROUND = 65536;

/**
 * Brings the mirror level with what is dirty: on return it has acknowledged everything that differed, except the paths in the
 * result. The scan runs ahead of the push by one round, and the push ahead of the mirror by some commits.
 *
 * @throws {DisconnectedError} If the connection broke: the next one starts by comparing what both sides have.
 * @throws {ProblemError} If the source itself is gone.
 */
export async function runCycle(dirty: Dirty, deps: CycleDeps): Promise<CycleResult> {
  const { index, fs, clock } = deps;
  const fresh = new Set<RelPath>();
  const push = new Push(deps);
  const problem = (path: RelPath, message: string) => push.problem(path, message);
  const { attributes } = deps;
  const planner = new Planner({ index, fs, attributes, seenOf: (stat) => deps.seenOf(stat, clock.now()), problem });
  const scanDeps = {
    fs,
    index,
    attributes,
    rules: deps.rules,
    problem,
    fresh: (dir: RelPath) => fresh.add(dir),
  };
  if (deps.keep) index.begin();
  try {
    const observed = { entries: 0, bytes: 0 };
    for (const { round, last } of rounds(scan(dirty, scanDeps))) {
      for (const seen of round) {
        observed.entries++;
        if (seen.what === "there" && seen.stat.kind === "file") observed.bytes += seen.stat.size;
      }
      if (last) push.total = observed;
      for (const planned of planner.round(round)) await push.carryOut(planned);
    }
    // A full scan sees both halves of every rename.
    const dueAt = dirty.all ? undefined : deps.departures.dueAt.bind(deps.departures);
    for (const planned of planner.end(clock.now(), dueAt)) await push.carryOut(planned);
    return { ...await push.finish(), fresh };
  } finally {
    // True or not, it is what we believe; the next connection starts by comparing.
    if (deps.keep) index.commit();
  }
}

function* scan(dirty: Dirty, deps: ScanDeps): Generator<Observation> {
  if (dirty.all) return yield* scanAll(deps);
  yield* scanPaths(dirty.paths, deps);
  yield* scanNames(dirty.names, deps);
}

function* rounds(observations: Iterable<Observation>): Generator<{ round: Observation[]; last: boolean }> {
  let round: Observation[] = [];
  let size = FIRST_ROUND;
  for (const seen of observations) {
    if (round.length === size) {
      yield { round, last: false };
      round = [];
      size = Math.min(LARGEST_ROUND, size * 4);
    }
    round.push(seen);
  }
  yield { round, last: true };
}
