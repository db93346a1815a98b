// Thinning: the history loses what is too old or too much. All of the last day stays; of the days before that, for each path and
// day (UTC) what the day began with and what went last: so the tree can be rebuilt as it was at each midnight, and nothing that
// lived for hours only is gone without a trace. What is older than the days wanted goes, and the oldest beyond the size wanted.
//
// Done in small steps, between which the thread is given back; each leaves a history that is whole.

import type { FileSystem, Stat } from "../core/fs.ts";
import { joinPath, type RelPath, ROOT } from "../core/path.ts";
import { ROOT_ID } from "../core/schema.ts";
import type { Node } from "../core/entry_rows.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { History, HistoryLimits } from "./history.ts";
import { dayOf, listHistory, logPath, type Stamp, timeOf } from "./history_log.ts";
import { HISTORY_DIR } from "./places.ts";
import { nameWent } from "./seen.ts";

const DAY_MS = 86_400_000;
/** A history up to so large (bytes) is not too large for any mirror. */
const LEAST_BYTES = 1 << 30;
/** By default the history may be as large as this part of the mirror. */
const PART_OF_MIRROR = 5;
/** What room is made for on a full disk at least (bytes): it is not looked for at every write. */
const ROOM_BYTES = 16 << 20;
/** Fact of the index: up to which day the history has been thinned. */
const THINNED_FACT = "history thinned";

/** What thinning works with. */
export interface ThinDeps {
  readonly fs: FileSystem;
  readonly index: TreeIndex;
  readonly history: History;
  readonly limits: HistoryLimits;
  /** The time, ms since the epoch. */
  readonly now: number;
}

/** Steps of work, each with the bytes that are gone by it; between two of them others may have the thread. */
export type Steps = Generator<number, void>;

/** Thins the history as it is to be. */
export function* thin(deps: ThinDeps): Steps {
  const { fs, index, history, limits, now } = deps;
  const { stamps, days } = listHistory(fs);
  if (history.bytes(index) === undefined) yield* count(stamps, days, deps);
  const oldest = now - limits.days * DAY_MS;
  const kept: Stamp[] = [];
  for (const stamp of stamps) {
    if (timeOf(stamp)! < oldest) yield* drop(stamp, deps);
    else kept.push(stamp);
  }
  for (const day of days) if (endOf(day) < oldest) dropLog(day, deps);
  const thinned = index.fact(THINNED_FACT) ?? "";
  const ripe = [...new Set(kept.map(dayOf))].filter((day) => day > thinned && endOf(day) + DAY_MS <= now);
  for (const day of ripe) {
    yield* thinDay(kept.filter((stamp) => dayOf(stamp) === day), deps);
    index.setFact(THINNED_FACT, day);
  }
  yield* shrink(kept, deps);
}

/** How large the history may be (bytes), and whether it is so at the cost of the last day too. */
export function budgetOf(
  { bytes }: HistoryLimits,
  index: TreeIndex,
  present: number,
): { most: number; strict: boolean } {
  if (bytes !== undefined) return { most: bytes, strict: true };
  // A mirror need not be gone through for a history that is small.
  if (present <= LEAST_BYTES) return { most: LEAST_BYTES, strict: false };
  return { most: Math.max(LEAST_BYTES, Math.floor(index.bytesIn(ROOT_ID) / PART_OF_MIRROR)), strict: false };
}

/** Makes room on a full disk: drops the oldest, but nothing of the last day, until `bytes` are gone. @returns Whether any is. */
export function makeRoom(bytes: number, deps: ThinDeps): boolean {
  const wanted = Math.max(bytes, ROOM_BYTES);
  let made = 0, isAny = false;
  for (const stamp of listHistory(deps.fs).stamps) {
    if (made >= wanted || timeOf(stamp)! > deps.now - DAY_MS) break;
    for (const gone of drop(stamp, deps)) made += gone;
    isAny = true;
  }
  return isAny;
}

function* shrink(stamps: readonly Stamp[], deps: ThinDeps): Steps {
  const { fs, index, history, limits, now } = deps;
  const { most, strict } = budgetOf(limits, index, history.bytes(index)!);
  for (const stamp of stamps) {
    if (history.bytes(index)! <= most || !strict && timeOf(stamp)! > now - DAY_MS) return;
    yield* drop(stamp, deps);
  }
  // Nothing is left but the logs.
  for (const day of listHistory(fs).days.slice(0, -1)) {
    if (history.bytes(index)! <= most) return;
    dropLog(day, deps);
  }
}

/** Counts the bytes in the history. */
function* count(stamps: readonly Stamp[], days: readonly string[], { fs, index, history }: ThinDeps): Steps {
  history.beginCount();
  let bytes = 0;
  for (const day of days) bytes += fs.lstat(logPath(day))?.size ?? 0;
  const dirs = stamps.map((stamp) => joinPath(HISTORY_DIR, stamp));
  for (let dir = dirs.pop(); dir !== undefined; dir = dirs.pop()) {
    for (const { name, stat } of fs.list(dir)) {
      if (stat.kind === "dir") dirs.push(joinPath(dir, name));
      else if (stat.kind === "file") bytes += stat.size;
    }
    yield 0;
  }
  history.endCount(index, bytes);
}

/** Leaves of a day, for each path, what went first and what went last. */
function* thinDay(stamps: readonly Stamp[], deps: ThinDeps): Steps {
  if (stamps.length < 3) return;
  const { fs } = deps;
  const first = new Map<RelPath, Stamp>(), last = new Map<RelPath, Stamp>();
  for (const stamp of stamps) {
    const dirs = [ROOT];
    for (let dir = dirs.pop(); dir !== undefined; dir = dirs.pop()) {
      for (const { name, stat } of fs.list(joinPath(joinPath(HISTORY_DIR, stamp), dir))) {
        const path = joinPath(dir, name);
        if (stat.kind === "dir") dirs.push(path);
        if (!first.has(path)) first.set(path, stamp);
        last.set(path, stamp);
      }
      yield 0;
    }
  }
  for (const stamp of stamps) {
    yield* remove(stamp as RelPath, deps, (place) => {
      const path = place.slice(stamp.length + 1) as RelPath;
      return first.get(path) !== stamp && last.get(path) !== stamp;
    });
  }
}

function* drop(stamp: Stamp, deps: ThinDeps): Steps {
  yield* remove(stamp as RelPath, deps, () => true);
}

/** Removes what `goes` of what is at `place` in the history, and directories that become empty by it. */
function* remove(
  place: RelPath,
  deps: ThinDeps,
  goes: (place: RelPath) => boolean,
  node = deps.index.kept(place),
): Steps {
  const { fs, index } = deps;
  const at = joinPath(HISTORY_DIR, place);
  const listed = list(fs, at);
  let left = listed.length;
  for (const { name, stat } of listed) {
    const below = joinPath(place, name);
    const row = node ? index.child(node.id, name) : index.kept(below);
    if (stat.kind === "dir") {
      yield* remove(below, deps, goes, row);
      if (!fs.lstat(joinPath(at, name))) left--;
    } else if (goes(below)) {
      fs.unlink(joinPath(at, name));
      forget(stat, row, deps);
      left--;
      yield stat.size;
    }
  }
  // An empty one that was removed as such goes with its stamp.
  if (left > 0 || listed.length === 0 && !goes(place)) return;
  fs.rmdir(at);
  if (node) index.remove(node.id);
  yield 0;
}

/** What is in a directory that may be closed to us. */
function list(fs: FileSystem, dir: RelPath): { readonly name: string; readonly stat: Stat }[] {
  const stat = fs.lstat(dir);
  if (stat?.kind !== "dir") return [];
  if ((stat.mode & 0o700) !== 0o700) fs.setMeta(dir, { mode: stat.mode | 0o700, mtimeNs: stat.mtimeNs });
  return fs.list(dir);
}

function forget(stat: Stat, row: Node | undefined, { fs, index, history }: ThinDeps): void {
  if (row) index.remove(row.id);
  if (stat.nlink > 1) nameWent(fs, index, stat);
  if (stat.kind === "file") history.grew(index, -stat.size);
}

function dropLog(day: string, { fs, index, history }: ThinDeps): void {
  const size = fs.lstat(logPath(day))?.size ?? 0;
  fs.unlink(logPath(day));
  history.grew(index, -size);
}

/** The end of a day (UTC), ms since the epoch. */
function endOf(day: string): number {
  return Date.parse(`${day}T00:00:00Z`) + DAY_MS;
}
