// The brake: whether what is to go from the mirror may go. Pure: facts and numbers in, a decision out. It is asked in one place,
// between the scan and the end of the plan (client/cycle.ts); what comes of its answer is client/guard.ts's.

import type { HeldReason } from "../core/events.ts";
import type { MaxDelete } from "../core/options.ts";
import type { HarmCounts } from "./harm.ts";

/** Deletions within this time count together, so that a wipe does not pass in slices (ms). */
export const WINDOW_MS = 60_000;
/** A percentage says nothing of fewer entries than these: a user empties a small directory now and then. */
const LEAST_ENTRIES = 100;

/** What the brake looks at. */
export interface BrakeFacts {
  readonly limit: MaxDelete;
  /** What would go now. */
  readonly harm: HarmCounts;
  /** How many entries went lately, within the window. */
  readonly lately: number;
  /** How many entries the mirror has now; asked only where it matters. */
  readonly entries: () => number;
  /** The source's root is another directory on another device than the one that the mirror was last in step with. */
  readonly anotherRoot: boolean;
  /** Another source pushed to this mirror before. */
  readonly anotherSource: boolean;
  /** The user has approved of exactly this. */
  readonly approved: boolean;
}

/** Why it may not go; undefined where it may. */
export function reasonToHold(facts: BrakeFacts): HeldReason | undefined {
  const { harm, lately } = facts;
  // What has been emptied is as good as deleted; other changes of content are daily work.
  const lost = harm.deleted + harm.emptied;
  if (facts.approved || lost + harm.replaced === 0) return undefined;
  if (facts.anotherSource) return "another source";
  if (lost === 0) return undefined;
  if (facts.anotherRoot) return "another directory";
  return isTooMany(lost + lately, facts) ? "too many" : undefined;
}

/** Whether so many are more than may go of what there was at the beginning of the window. */
function isTooMany(lost: number, { limit, lately, entries }: BrakeFacts): boolean {
  if ("entries" in limit) return lost > limit.entries;
  const share = limit.percent / 100;
  if (share === 0) return lost > 0;
  // Whatever the number of entries: to count them takes time where they are many.
  if (lost <= LEAST_ENTRIES * share) return false;
  const of = entries() + lately;
  return of >= LEAST_ENTRIES && lost > of * share;
}

/** What went within the window. Times are ms of the clock that the caller uses. */
export class Lately {
  #losses: { at: number; count: number }[] = [];

  add(count: number, now: number): void {
    if (count > 0) this.#losses.push({ at: now, count });
  }

  sum(now: number): number {
    this.#losses = this.#losses.filter(({ at }) => at > now - WINDOW_MS);
    return this.#losses.reduce((sum, { count }) => sum + count, 0);
  }

  clear(): void {
    this.#losses = [];
  }
}
