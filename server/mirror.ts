// The mirror: a directory, the index of what it holds, and the private folder. One for the life of a server; sessions come and
// go. Nothing of ours is on the disk before the first client pushes.

import type { Accounts } from "../core/accounts.ts";
import type { Clock } from "../core/clock.ts";
import { isOfPath, isOfSystem, reasonOf } from "../core/errors.ts";
import type { Change, Emit } from "../core/events.ts";
import { type FileSystem, removeTree } from "../core/fs.ts";
import { ID_FILE, parentOf, type RelPath, ROOT } from "../core/path.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { Problem } from "../core/types.ts";
import { Commit, type IndexedStep, journaled, type Parked } from "./commit.ts";
import { History, type HistoryLimits } from "./history.ts";
import type { Moment } from "./moment.ts";
import { Leftovers } from "./leftovers.ts";
import { clearJournal, keepJournal, readJournal, writeJournal } from "./journal.ts";
import { learnPrint, rescan, scanMirror } from "./mirror_scan.ts";
import { Metadata } from "./metadata.ts";
import type { AccountName } from "../core/wire.ts";
import { groupFact, MIRROR_ID, userFact } from "../core/facts.ts";
import { Owners } from "./owners.ts";
import { PRIVATE_DIR, SLOT_DIR, STAGE_DIR } from "./places.ts";
import { clearStage, emptySlots, redo, syncPlaces } from "./recover.ts";
import { budgetOf, makeRoom, thin, type ThinDeps } from "./thin.ts";
import { formatCount } from "../core/text.ts";
import type { Rules } from "./rules.ts";

/** The mirror's world. */
export interface MirrorDeps {
  readonly fs: FileSystem;
  /** The users and groups of this machine. */
  readonly accounts: Accounts;
  readonly clock: Clock;
  readonly emit: Emit;
  /** Opens the index in the private folder, or one in memory before there is such a folder. */
  readonly openIndex: (where: "folder" | "memory") => TreeIndex;
  /** Removes the index in the private folder, which is closed. */
  readonly removeIndex: () => void;
  readonly randomId: () => string;
  readonly fsync: boolean;
  /** How long, and at most how much, the history keeps. */
  readonly history: HistoryLimits;
  /** Name of the mirror for people. */
  readonly name: string;
}

/** The thread is given back to others at least this often (ms). */
const YIELD_MS = 40;
/** Thinning works for so long, and then pauses for as long (ms). */
const THIN_MS = 10;
/** The history is thinned at most this often (ms), unless it is too large. */
const THIN_EVERY_MS = 3_600_000;
/** Who waits for another to have opened the mirror says so this often (ms). */
const QUEUE_MS = 1000;
/** While nobody waits, the thread is given back for so long after each stretch of work (ms). */
const REST_MS = 5;

/** The directory that the server keeps. */
export class Mirror implements Disposable {
  readonly #deps: MirrorDeps;
  #index: TreeIndex | undefined;
  #inFolder = false;
  #pusher: string | undefined;
  /** Settled when nobody is opening: one after the other, each changes the index. */
  #opening: Promise<void> = Promise.resolve();
  readonly #parked: Parked = { from: new Map(), stays: new Map() };
  /** Who the owners are that a client speaks of. */
  readonly owners: Owners;
  readonly metadata: Metadata;
  readonly leftovers: Leftovers;
  readonly #history: History;
  /** Ends thinning that is under way. */
  #thinning: AbortController | undefined;
  #thinnedAt = -Infinity;
  /** How large the history may be (bytes) before it is thinned out of turn. */
  #most = Infinity;
  /** Whether what the history holds is to be counted anew. */
  #recount = false;
  /** Ids of directories in which a client has changed something, and which have not been looked at since. */
  readonly #changed = new Set<number>();
  /** Scans under way. */
  #scans = 0;

  constructor(deps: MirrorDeps) {
    this.#deps = deps;
    this.#history = new History({ fs: deps.fs, clock: deps.clock, keeps: deps.history.days > 0 });
    this.owners = new Owners(deps.accounts);
    this.leftovers = new Leftovers(deps.fs, deps.clock);
    this.metadata = new Metadata({
      fs: deps.fs,
      owners: this.owners,
      xattrsOf: (digest) => this.index.xattrs(digest),
      warn: (message) => deps.emit({ event: "warning", message }),
    });
  }

  [Symbol.dispose](): void {
    this.#thinning?.abort();
    this.#index?.[Symbol.dispose]();
    this.#index = undefined;
    this.#changed.clear();
  }

  /** Throws the index away, for it is damaged: the next session makes it anew. */
  discardIndex(): void {
    this[Symbol.dispose]();
    this.#deps.removeIndex();
  }

  get fs(): FileSystem {
    return this.#deps.fs;
  }

  /** What the mirror holds; only after `open`. */
  get index(): TreeIndex {
    return this.#index!;
  }

  /** Id of this mirror's index, as long as it lives. */
  get id(): string {
    return this.index.fact(MIRROR_ID)!;
  }

  /** A name that nobody else has, and nobody had. */
  newId(): string {
    return this.#deps.randomId();
  }

  /** Bytes that the history holds, as far as that is known. */
  get historyBytes(): number | undefined {
    return this.#history.bytes(this.index);
  }

  /** Who pushes now, if anybody does. */
  get pusher(): string | undefined {
    return this.#pusher;
  }

  /** Makes `who` the one that pushes. @returns Gives that up. */
  claim(who: string): () => void {
    this.#pusher = who;
    this.owners.forget();
    return () => this.#pusher = undefined;
  }

  /** Notes what the client calls its users and groups; the index remembers it with their numbers. */
  learn(users: readonly AccountName[], groups: readonly AccountName[]): void {
    this.owners.learn(users, groups);
    for (const { id, name } of users) this.index.setFact(userFact(id), name);
    for (const { id, name } of groups) this.index.setFact(groupFact(id), name);
  }

  /** Completes what a crash interrupted; for the start of a server, before any client comes. */
  recover(): void {
    try {
      if (this.fs.lstat(PRIVATE_DIR)?.kind === "dir") this.#recover();
    } catch (error) {
      // A disk that is read-only, say. It is tried again when a client comes.
      if (!isOfSystem(error)) throw error;
      this.#deps.emit({ event: "warning", message: `cannot work in the mirror yet: ${reasonOf(error)}` });
    }
  }

  /**
   * Makes sure that the index is true: repairs what a crash left, scans the directory.
   * @param toPush Whether the private folder may be made.
   * @param waiting Called now and then while it takes long; rejects to stop.
   */
  async open(toPush: boolean, waiting: () => Promise<void>): Promise<void> {
    const before = this.#opening;
    const mine = this.#opening = (async () => {
      const over = new AbortController();
      before.finally(() => over.abort());
      while (!over.signal.aborted) {
        await this.#deps.clock.sleep(QUEUE_MS, over.signal);
        await waiting();
      }
      // Who pushes keeps the index true; what waits in stage and slots is his.
      if (!toPush && this.#pusher !== undefined && this.#index) return;
      await this.#open(toPush, waiting);
    })();
    this.#opening = mine.catch(() => {});
    await mine;
  }

  async #open(toPush: boolean, waiting: () => Promise<void>): Promise<void> {
    const { fs, emit, openIndex, randomId, name } = this.#deps;
    const hasFolder = fs.lstat(PRIVATE_DIR)?.kind === "dir";
    if (this.#index && this.#inFolder !== (hasFolder || toPush)) this[Symbol.dispose]();
    // What somebody is pushing is not left over.
    if (hasFolder && (toPush || this.#pusher === undefined)) this.#recover();
    if (toPush) this.#makeFolder();
    if (!this.#index) {
      this.#inFolder = hasFolder || toPush;
      this.#index = openIndex(this.#inFolder ? "folder" : "memory");
      if (!this.#index.fact(MIRROR_ID)) this.#index.setFact(MIRROR_ID, randomId());
      emit({ event: "scanning", dir: name });
    }
    if (toPush) writeId(fs, this.id);
    this.#parked.stays.clear();
    if (toPush) {
      const moment = this.#history.begin(this.#index);
      if (this.#recount) this.#history.forgetCount(this.#index);
      this.#recount = false;
      emptySlots(fs, this.#index, moment);
      this.#settle(moment);
    }
    if (toPush) this.#index.sweepXattrs();
    await this.#keepTrue(async (deps) => {
      await scanMirror(deps);
      if (toPush) await this.leftovers.read(deps.breathe);
    }, waiting);
    if (toPush) this.#thin();
  }

  /**
   * Carries steps out; on return those that succeeded are durable.
   * @param wrong Files that were found to be other than the index says: they are read anew.
   * @param rules What the client may do, unless it may do everything.
   * @returns What was changed, and the paths that failed.
   */
  async commit(
    steps: readonly IndexedStep[],
    wrong: ReadonlySet<RelPath>,
    waiting: () => Promise<void>,
    rules?: Rules,
  ): Promise<{ changes: Change[]; problems: Problem[] }> {
    const { fs, fsync } = this.#deps;
    const { index } = this;
    const moment = this.#history.begin(index);
    const commit = new Commit(fs, index, this.metadata, this.#parked, moment);
    const known = steps.map((step) => journalStep(index, this.#parked, step));
    rules?.begin();
    const sure = rules ? known.filter((step) => rules.isHarmless(step)) : known;
    writeJournal(fs, { stamp: moment.stamp, steps: sure.map(journaled) }, fsync);
    index.begin();
    try {
      for (const step of known) {
        const denial = rules?.denialOf(step);
        if (!denial) commit.run(step);
        else {
          commit.deny(step, denial.message);
          if (denial.instead) commit.run(denial.instead);
        }
      }
      commit.finish(fsync);
      for (const id of commit.touched) this.#changed.add(id);
      for (const path of wrong) {
        const node = index.find(path);
        if (node) index.setSeen(node.id, undefined);
      }
    } finally {
      index.commit();
    }
    clearJournal(fs);
    this.leftovers.committed();
    this.#tell(moment);
    const doubtful = new Set([...commit.doubtful, ...[...wrong].map(parentOf)]);
    for (const dir of doubtful) await this.#keepTrue((deps) => rescan(dir, deps), waiting);
    this.#thin();
    return commit;
  }

  /**
   * Learns by which prints the directories are known in which the last client has changed something, so that the next one need not
   * wait for that. Ends when one comes. Never throws.
   */
  async rest(): Promise<void> {
    const { clock } = this.#deps;
    const index = this.#index;
    while (index && this.#changed.size > 0) {
      await clock.sleep(REST_MS);
      if (this.#index !== index || this.#pusher !== undefined || this.#scans > 0) return;
      try {
        this.#learnPrints(index);
      } catch {
        // The next client's scan finds out what is wrong.
        this.#changed.clear();
      }
    }
  }

  /** For a while. */
  #learnPrints(index: TreeIndex): void {
    const { fs, clock } = this.#deps;
    const until = clock.now() + YIELD_MS;
    index.begin();
    try {
      for (const id of this.#changed) {
        this.#changed.delete(id);
        try {
          learnPrint(id, { fs, index });
        } catch (error) {
          if (!isOfPath(error)) throw error;
        }
        if (clock.now() >= until) break;
      }
      index.commit();
    } catch (error) {
      index.rollback();
      throw error;
    }
  }

  /** Carries out again what a crash interrupted, and clears what nobody will come for. */
  #recover(): void {
    const { fs } = this.#deps;
    const journal = readJournal(fs);
    const moment = this.#history.begin();
    if (journal) {
      if (this.#deps.fsync) keepJournal(fs);
      redo(fs, journal, moment);
      this.#recount = true;
    }
    clearStage(fs, journal, moment);
    this.#settle(moment);
    // A client will be told that the mirror has what was done, by us or before the crash.
    if (journal && this.#deps.fsync) syncPlaces(fs, journal);
    clearJournal(fs);
  }

  /** Makes room on a full disk, at the cost of what the history has beyond the last day. @returns Whether there is any. */
  makeRoom(bytes: number): boolean {
    return this.leftovers.makeRoom() || this.#deps.history.days > 0 && makeRoom(bytes, this.#thinDeps());
  }

  #thinDeps(): ThinDeps {
    const { fs, clock, history: limits } = this.#deps;
    return { fs, index: this.index, history: this.#history, limits, now: clock.date() };
  }

  /** Thins the history if it is time, beside all else. */
  #thin(): void {
    const { clock, emit } = this.#deps;
    const isLarge = (this.#history.bytes(this.index) ?? 0) > this.#most;
    if (this.#thinning || !isLarge && clock.now() - this.#thinnedAt < THIN_EVERY_MS) return;
    this.#thinnedAt = clock.now();
    const thinning = this.#thinning = new AbortController();
    this.#thinInSteps(thinning.signal).catch((error) => {
      if (!thinning.signal.aborted) emit({ event: "warning", message: `cannot thin the history: ${reasonOf(error)}` });
    }).finally(() => {
      if (this.#thinning === thinning) this.#thinning = undefined;
    });
  }

  async #thinInSteps(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const deps = this.#thinDeps();
    // Not before whoever has come is served.
    await clock.sleep(THIN_MS, signal);
    let since = clock.now();
    for (const steps = thin(deps); !signal.aborted && !steps.next().done;) {
      if (clock.now() - since < THIN_MS) continue;
      await clock.sleep(THIN_MS, signal);
      since = clock.now();
    }
    if (signal.aborted) return;
    const bytes = this.#history.bytes(deps.index)!;
    const { most } = budgetOf(deps.limits, deps.index, bytes);
    // What cannot be made smaller today is not tried again at every commit.
    this.#most = Math.max(most, bytes + bytes / 10);
  }

  /** Makes durable what was put into the history outside of a commit. */
  #settle(moment: Moment): void {
    const { fs, fsync } = this.#deps;
    if (!moment.hasNews) return;
    moment.write(fsync);
    if (fsync) { for (const dir of moment.changed) fs.syncDir(dir); }
  }

  #tell({ foreign: paths, failure }: Moment): void {
    if (failure !== undefined) {
      const message = `cannot write the history's log: ${reasonOf(failure)}; what was replaced is kept all the same`;
      this.#deps.emit({ event: "warning", message });
    }
    const [first] = paths;
    if (first === undefined) return;
    const more = paths.size > 1 ? ` and ${formatCount(paths.size - 1)} more` : "";
    const kept = this.#deps.history.days > 0
      ? "what was there is in the history"
      : "that is gone, as no history is kept";
    const message = `${JSON.stringify(first)}${more} ${
      paths.size > 1 ? "were" : "was"
    } changed in the mirror by somebody else; ${kept}`;
    this.#deps.emit({ event: "warning", message });
  }

  #makeFolder(): void {
    const { fs } = this.#deps;
    const root = fs.lstat(ROOT)!;
    if (!fs.lstat(PRIVATE_DIR)) {
      fs.mkdir(PRIVATE_DIR, 0o700);
      // An access list that it inherits would be inherited by all that is made in it.
      fs.setXattrs(PRIVATE_DIR, new Map());
      fs.setMeta(ROOT, { mode: root.mode, mtimeNs: root.mtimeNs });
    }
    for (const dir of [STAGE_DIR, SLOT_DIR]) if (!fs.lstat(dir)) fs.mkdir(dir, 0o700);
  }

  async #keepTrue(
    scan: (deps: Parameters<typeof scanMirror>[0]) => Promise<void>,
    waiting: () => Promise<void>,
  ): Promise<void> {
    const { fs, clock, emit } = this.#deps;
    const { index } = this;
    let yielded = clock.now();
    const breathe = () => {
      if (clock.now() - yielded < YIELD_MS) return undefined;
      return (async () => {
        await clock.sleep(0);
        await waiting();
        yielded = clock.now();
      })();
    };
    const problem = (path: RelPath, error: unknown) => emit({ event: "problem", path, message: reasonOf(error) });
    index.begin();
    this.#scans++;
    try {
      await scan({ fs, index, breathe, problem });
    } finally {
      this.#scans--;
      index.commit();
    }
  }
}

/** Notes the id where a client on this machine can find it. */
function writeId(fs: FileSystem, id: string): void {
  removeTree(fs, ID_FILE);
  using file = fs.createFile(ID_FILE, 0o644);
  file.write(new TextEncoder().encode(`${id}\n`));
}

/** A step with what tells after a crash whether it was carried out. */
function journalStep(index: TreeIndex, parked: Parked, step: IndexedStep): IndexedStep {
  const had = step.op === "drop" ? parked.from.get(step.slot) : undefined;
  if (had !== undefined) return { ...step, had } as IndexedStep;
  const from = step.op === "move" ? step.from : step.op === "park" || step.op === "remove" ? step.path : undefined;
  const node = step.op === "unpark"
    ? index.inSlot(step.slot, step.below)
    : from === undefined
    ? undefined
    : index.find(from);
  if (!node?.seen) return step;
  const { ino, mtimeNs } = node.seen;
  return { ...step, was: node.entry.kind === "dir" ? { ino } : { ino, mtimeNs } };
}
