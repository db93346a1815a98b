// One cycle, the whole of dirsync's client in one function: scan -> plan -> push -> acknowledged.
// Read this first.

import type { Stat } from "../core/fs.ts";
import type { IgnoreRules } from "../core/ignore.ts";
import { type RelPath, ROOT } from "../core/path.ts";
import type { Departures } from "./departures.ts";
import type { EarlyLook } from "./early_look.ts";
import type { Harm } from "./harm.ts";
import { type Planned, Planner } from "./plan.ts";
import { Prints, type Surveyed } from "./prints.ts";
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
  /** Stands between what is found to be gone and the mirror. */
  readonly guard: CycleGuard;
  /** What has been surveyed already, and nothing has happened since. */
  readonly early?: EarlyLook | undefined;
}

/** What a cycle knows of the guard. */
export interface CycleGuard {
  /** The root is another directory on another device than the index was last in step with. */
  readonly anotherRoot: boolean;
  /** To replace what the mirror holds does harm as well. */
  readonly guardContent: boolean;
  /** Whether the root is the directory that it was when the cycle began. */
  isSameRoot(): boolean;
  /** Whether what does harm may go, `whole` if it is all that there is. */
  allows(harm: Harm, whole: boolean): boolean;
}

/** What came of a cycle. */
export interface CycleResult extends PushResult {
  /** Directories that were new to the index: events in them may have been lost. */
  readonly fresh: Set<RelPath>;
  /** Whether the root became another one meanwhile: what was found of it since does not count. */
  readonly interrupted: boolean;
  /** Whether what is in the root could be read. */
  readonly rootRead: boolean;
}

/** Observations planned and sent together: few at first, so that the link has something to do, then more. */
const FIRST_ROUND = 1024;
const LARGEST_ROUND = 8192;

/**
 * Brings the mirror level with what is dirty: on return it has acknowledged everything that differed, except the paths in the
 * result. The scan runs ahead of the push by one round, and the push ahead of the mirror by some commits.
 *
 * @throws {DisconnectedError} If the connection broke: the next one starts by comparing what both sides have.
 * @throws {SourceGoneError} If the source itself is gone.
 */
export async function runCycle(dirty: Dirty, deps: CycleDeps): Promise<CycleResult> {
  const { index, fs, clock } = deps;
  const fresh = new Set<RelPath>();
  const push = new Push(deps);
  const problem = (path: RelPath, message: string) => push.problem(path, message);
  const { attributes, guard } = deps;
  const { guardContent } = guard, followRenames = !guard.anotherRoot, isSameRoot = () => guard.isSameRoot();
  const seenOf = (stat: Stat) => deps.seenOf(stat, clock.date());
  const planner = new Planner({ index, fs, attributes, seenOf, problem, followRenames, isSameRoot, guardContent });
  const carryOut = async (planned: Planned) => {
    if (planned.do !== "content" || !planned.compare) await push.carryOut(planned);
    else if (await push.isOther(planned)) planner.postpone(planned.path, planned.stat);
  };
  const prints = new Prints();
  let interrupted = false, rootRead = true, early = deps.early;
  const scanDeps: ScanDeps = {
    fs,
    index,
    attributes,
    rules: deps.rules,
    problem,
    fresh: (dir: RelPath) => fresh.add(dir),
    unread: (dir: RelPath) => rootRead &&= dir !== ROOT,
    followRenames,
    // Where only some is looked at, large directories would be read in full at each change of an entry.
    ...(dirty.all && { differing: (surveyed: Surveyed) => prints.note(surveyed) }),
    survey: (dir, known) => early?.survey(dir, known) ?? fs.survey(dir, known),
  };
  if (deps.keep) index.begin();
  try {
    for (let again = true; again;) {
      const observed = { entries: 0, bytes: 0 };
      for (const { round, last } of rounds(scan(dirty, scanDeps))) {
        // A round is read in one stretch of work, so of one root: what another one lacks is not gone.
        interrupted = !guard.isSameRoot();
        if (interrupted) break;
        for (const seen of round) {
          observed.entries++;
          if (seen.what === "there" && seen.stat.kind === "file") observed.bytes += seen.stat.size;
        }
        if (last) push.total = observed;
        for (const planned of planner.round(round)) await carryOut(planned);
        if (prints.isFull) prints.learn(index, attributes);
      }
      // What an early look did not see, where it looked, may have come there since from where it is gone now: what is to be lost is
      // looked for once more, all at one time.
      again = early !== undefined && !interrupted && planner.hasLosses;
      if (again) planner.forgetLosses();
      early = undefined;
    }
    // A full scan sees both halves of every rename.
    const dueAt = dirty.all ? undefined : deps.departures.dueAt.bind(deps.departures);
    const settled = planner.settle(clock.now(), dueAt);
    for (const wait of settled.waits) await push.carryOut(wait);
    const go = !interrupted && guard.allows(settled.harm, dirty.all);
    for (const planned of planner.end(settled, clock.now(), go)) await push.carryOut(planned);
    const finishing = push.finish();
    // It fails with the connection, and then here.
    finishing.catch(() => {});
    // While the mirror carries out the last of it.
    prints.learn(index, attributes);
    return { ...await finishing, fresh, interrupted, rootRead };
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
