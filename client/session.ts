// One connection of the client: cycles over what is dirty, until the mirror is exact (`--once`) or for as long as it lasts.

import type { Cutter } from "../core/chunker.ts";
import type { Clock } from "../core/clock.ts";
import { DisconnectedError, SourceGoneError } from "../core/errors.ts";
import type { Emit } from "../core/events.ts";
import type { FileTree, Stat } from "../core/fs.ts";
import type { IgnoreRules } from "../core/ignore.ts";
import type { Link } from "../core/link.ts";
import type { MaxDelete } from "../core/options.ts";
import type { RelPath } from "../core/path.ts";
import type { Seen } from "../core/entry_rows.ts";
import type { StartHasher } from "../core/second_thread.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { ClientMessage } from "../core/wire.ts";
import type { Accounts } from "../core/accounts.ts";
import { SourceAttributes } from "./attributes.ts";
import { type CycleDeps, type CycleResult, type Dirty, runCycle } from "./cycle.ts";
import { Departures } from "./departures.ts";
import type { DirtySet } from "./dirty.ts";
import type { EarlyLook } from "./early_look.ts";
import type { Guard, HeldRecords } from "./guard.ts";
import type { Holds } from "./holds.ts";
import type { Problems } from "./problems.ts";
import { reconcile } from "./reconcile.ts";
import { ROOT_LOOK_MS } from "./source_root.ts";
import { nowhere, Outbox } from "./outbox.ts";
import type { Introduction, Remote, Welcome } from "./remote.ts";

/** What the engine does, of what the command line can ask for. */
export interface EngineOptions {
  readonly source: Introduction;
  /** Name of the server for people. */
  readonly server: string;
  readonly once: boolean;
  readonly updatemaxMs: number | undefined;
  readonly everyChange: boolean;
  readonly rules: IgnoreRules;
  /** Mirror extended attributes too. */
  readonly xattrs: boolean;
  /** How much may be deleted at once (client/brake.ts). */
  readonly maxDelete: MaxDelete;
}

/** The engine's world. */
export interface EngineDeps {
  readonly fs: FileTree;
  /** Names of users and groups of this machine. */
  readonly accounts: Accounts;
  readonly clock: Clock;
  readonly prng: () => number;
  readonly emit: Emit;
  readonly dirty: DirtySet;
  /** Called when the root is found to be another: whoever watches it may not know. */
  readonly doubtRoot: () => void;
  /** Starts a thread that shares the work on a large file, where there can be one. */
  readonly secondThread?: StartHasher;
  /** Opens a connection. @throws {DisconnectedError | RefusedError} */
  readonly dial: (signal: AbortSignal) => Promise<Link>;
  /** Id of the mirror that the source was mirrored to, if there is one index only. */
  readonly lastMirror: () => string | undefined;
  /** Opens the index of the mirror with this id. */
  readonly openIndex: (mirrorId: string) => TreeIndex;
  /** Removes it, closed. */
  readonly removeIndex: (mirrorId: string) => void;
  /** Where it is noted what is held for the mirror with this id. */
  readonly heldRecords: (mirrorId: string) => HeldRecords;
  /** Why the mirror with this name and id and the source cannot be mirrored to each other, if so. */
  readonly overlap: (mirror: string, mirrorId: string) => string | undefined;
  readonly signal: AbortSignal;
}

/** Kernels stamp files with a clock that ticks this coarsely, at worst (ns). */
const CLOCK_TICK_NS = 20_000_000n;
/** The clock of the file system may be ahead of ours by so much (ns). */
const CLOCK_SKEW_NS = 1_000_000_000n;
/** When what a mirror had otherwise, as it refused something, is sent again (ms): not as fast as it can refuse. */
const LEVELLED_MS = 250;
/** When a file that may have changed unnoticed is looked at again (ms). */
const SECOND_LOOK_MS = 60;
/** How long the second half of a rename may take after the first (ms). */
const RENAME_MS = 20;
/** When a directory that is new is listed again, as events in it may have been lost (ms). */
const FRESH_LOOKS_MS = [60, 300, 1500];
/** A full scan comes this often whatever the watcher says (ms), give or take a quarter. */
const FULL_SCAN_MS = 3_600_000;
/** While something is held, the whole source is looked at so long after a change (ms), but for a tenth of the time at most. */
const HELD_LOOK_MS = 1000;
const HELD_LOOK_SHARE = 0.1;
const RESTLESS = "it keeps changing while it is read; what the mirror has is an earlier state";
/** Why nobody waits any more; without a reason an error is made each time. */
const OVER = "something is due";
/** `--once` looks so often at files that change while they are read before it gives up on them. */
const ONCE_LOOKS = 40;

/** What goes on over one connection. */
export class Session {
  readonly #cycleDeps: CycleDeps;
  /** What a cycle need not survey that begins in this very stretch of work. */
  early: EarlyLook | undefined;
  #changed = 0;
  #sent = 0;
  #started: number;
  #level = false;
  /** Paths at which the mirror failed in the last cycle. */
  readonly #refusedOnce = new Set<RelPath>();
  /** When the whole source is to be looked at because of what is held; Infinity: there is no reason. */
  #lookAt: number;
  /** How long the last look at the whole source took (ms). */
  #lookMs = 0;

  constructor(
    readonly index: TreeIndex,
    readonly remote: Remote,
    welcome: Welcome,
    readonly options: EngineOptions,
    readonly deps: EngineDeps,
    cutter: Cutter,
    holds: Holds,
    readonly problems: Problems,
    readonly guard: Guard,
  ) {
    const { clock, fs, emit, signal } = deps;
    this.#started = clock.now();
    this.#lookAt = guard.isMissing ? this.#started : Infinity;
    const { timeStepNs } = fs.features;
    const { xattrs } = options;
    this.#cycleDeps = {
      fs,
      index,
      attributes: new SourceAttributes(fs, index, { xattrs, accounts: deps.accounts }),
      outlet: options.source.dryRun ? nowhere : new Outbox(remote),
      cutter,
      secondThread: deps.secondThread,
      clock,
      holds,
      emit,
      signal: AbortSignal.any([signal, remote.ended]),
      seenOf: (stat, readAt) => seenOf(stat, readAt, timeStepNs, xattrs),
      ask: welcome.holdsContent,
      average: welcome.average,
      refusedOnce: this.#refusedOnce,
      everyChange: options.everyChange,
      keep: !options.source.dryRun,
      departures: new Departures(RENAME_MS),
      rules: options.rules,
      guard,
    };
    guard.connect({
      index,
      otherSource: otherSource(options.source, welcome),
      lastRoot: welcome.lastRoot,
      send: (message) => this.#tell(message),
    });
  }

  /** Makes the index agree with the mirror, whose root hash is `root`. @returns Where it did not. */
  async levelIndex(root: string): Promise<RelPath[]> {
    const { index, remote } = this;
    const { keep } = this.#cycleDeps;
    if (keep) index.begin();
    try {
      // What an earlier connection left between two places, the mirror has put somewhere or removed.
      for (const node of index.parkedAll()) index.remove(node.id);
      return index.rootHash() === root ? [] : await reconcile(index, remote, this.#cycleDeps.signal);
    } finally {
      if (keep) index.commit();
    }
  }

  /** One cycle over what is dirty, and what follows from it. @returns What came of it; undefined if the source is missing. */
  async cycle(): Promise<CycleResult | undefined> {
    const { clock, dirty } = this.deps;
    const started = clock.now();
    if (this.#changed === 0) this.#started = started;
    let taken: Dirty | undefined, result: CycleResult;
    try {
      if (this.guard.begin()) {
        dirty.addAll();
        this.deps.doubtRoot();
      }
      taken = dirty.take(started);
      // What is dirty by itself may have changed since the early look, and of another root it says nothing.
      const isOld = taken.paths.size + taken.names.size > 0 || this.early?.root !== this.guard.root;
      const early = isOld ? undefined : this.early;
      result = await runCycle(taken, { ...this.#cycleDeps, early });
    } catch (error) {
      if (taken) dirty.giveBack(taken);
      if (!(error instanceof SourceGoneError)) throw error;
      this.guard.missing(error);
      this.#lookAt = clock.now() + ROOT_LOOK_MS;
      return undefined;
    }
    this.#changed += result.changed;
    const { attributes, keep } = this.#cycleDeps;
    if (result.interrupted) dirty.addAll();
    else if (taken.all) attributes.lookedAtAll(keep);
    this.guard.end(taken.all && !result.interrupted && result.rootRead);
    this.#lookAgain(taken, clock.now() - started);
    if (result.refused.size > 0) {
      // What else came to be otherwise with what failed; that itself is tried again at its own pace.
      for (const path of await this.levelIndex(await this.remote.prove())) {
        if (!result.refused.has(path)) result.later.set(path, clock.now() + LEVELLED_MS);
      }
    }
    this.#follow(taken, result);
    return result;
  }

  /** Until the mirror is exact, or as near as it gets. @returns The exit status. */
  async once(): Promise<number> {
    const { clock, dirty, signal } = this.deps;
    for (let look = 1; !signal.aborted; look++) {
      const result = await this.cycle();
      if (!result) return 3;
      const more = result.interrupted || result.later.size > 0 || this.index.racy(1).length > 0;
      if (!more) break;
      if (look === ONCE_LOOKS) {
        const restless = [...result.later.keys()].map((path) => [path, RESTLESS] as const);
        this.problems.update(new Map(restless), () => false);
        break;
      }
      const due = Math.max(...result.later.values(), clock.now() + SECOND_LOOK_MS);
      await clock.sleep(Math.min(1000, due - clock.now()), signal);
      dirty.addPaths(result.later.keys());
      this.#addRacy();
    }
    const isClean = this.problems.size === 0 && !this.guard.holds;
    const proof = this.remote.prove();
    // It fails with the connection, and then here.
    proof.catch(() => {});
    const root = this.index.rootHash(), verified = await proof === root;
    this.#tellSynced(verified);
    return isClean && verified ? 0 : 3;
  }

  /** Until the connection ends. @throws {DisconnectedError} */
  async live(): Promise<void> {
    const { clock, dirty } = this.deps;
    const { signal } = this.#cycleDeps;
    let fullScanAt = this.#nextFullScan();
    while (!signal.aborted) {
      const now = clock.now();
      if (now >= fullScanAt) {
        dirty.addAll();
        fullScanAt = this.#nextFullScan();
      }
      const isAnswered = now >= this.guard.askAt && this.guard.isAnswered();
      const isLook = now >= this.#lookAt;
      if (isAnswered || isLook) dirty.addAll();
      if (isLook) this.#lookAt = Infinity;
      // What is not there cannot be looked at, however much of it is dirty.
      const dirtyAt = isLook ? now : this.guard.isMissing ? Infinity : dirty.dueAt();
      const due = Math.min(dirtyAt, this.#lookAt, fullScanAt, this.guard.askAt);
      if (due > now) {
        const waiting = new AbortController();
        await Promise.race([clock.sleep(due - now, AbortSignal.any([signal, waiting.signal])), dirty.added()]);
        waiting.abort(OVER);
        continue;
      }
      if (await this.cycle()) this.#tellIfLevel();
    }
    throw this.remote.error ?? new DisconnectedError("stopped");
  }

  /** What is held is known in full only by a look at everything, which comes a while after whatever was found since the last. */
  #lookAgain({ all }: Dirty, tookMs: number): void {
    const { clock } = this.deps;
    if (all) this.#lookMs = tookMs;
    if (all || !this.guard.holds || this.#lookAt !== Infinity) return;
    this.#lookAt = clock.now() + Math.max(HELD_LOOK_MS, this.#lookMs / HELD_LOOK_SHARE);
  }

  /** Tells the server something; where the connection is over, the next one tells it again. */
  #tell(message: ClientMessage): void {
    if (this.remote.error) return;
    this.remote.send(message);
    this.remote.flush().catch(() => {});
  }

  #follow(taken: Dirty, result: CycleResult): void {
    const { clock, dirty } = this.deps;
    const now = clock.now();
    const found = new Map(result.problems);
    for (const [path, message] of result.refused) {
      // What failed once may have met a change of the mirror's own; only what fails again is worth telling.
      if (this.#refusedOnce.has(path)) found.set(path, message);
      else result.later.set(path, now);
    }
    // What was not tried this time has not gone well either.
    for (const path of this.#refusedOnce) if (!result.later.has(path)) this.#refusedOnce.delete(path);
    for (const path of result.refused.keys()) this.#refusedOnce.add(path);
    const looked = (path: RelPath) =>
      !result.interrupted && (taken.all || taken.paths.has(path) && !result.later.has(path));
    for (const [path, ms] of this.problems.update(found, looked)) dirty.addLater(path, now + ms);
    if (this.options.once) return;
    for (const [path, at] of result.later) dirty.addLater(path, at);
    for (const dir of result.fresh) for (const ms of FRESH_LOOKS_MS) dirty.addNamesLater(dir, now + ms);
    this.#addRacy(now + SECOND_LOOK_MS);
  }

  /** Lets files that may have changed unnoticed be looked at again. */
  #addRacy(at?: number): void {
    for (const id of this.index.racy(1000)) {
      const path = this.index.pathOf(id);
      if (path === undefined) continue;
      if (at === undefined) this.deps.dirty.addPaths([path]);
      else this.deps.dirty.addLater(path, at);
    }
  }

  #tellIfLevel(): void {
    const level = !this.deps.dirty.waits || this.#changed === 0;
    if (level && (!this.#level || this.#changed > 0)) this.#tellSynced(false);
  }

  #tellSynced(verified: boolean): void {
    const { clock, emit } = this.deps;
    const sent = this.remote.sent - this.#sent;
    this.#sent = this.remote.sent;
    emit({
      event: "synced",
      entries: this.index.count(),
      changed: this.#changed,
      sent,
      elapsedMs: clock.now() - this.#started,
      problems: this.problems.size,
      held: this.guard.held,
      verified,
    });
    this.#changed = 0;
    this.#level = true;
  }

  #nextFullScan(): number {
    return this.deps.clock.now() + FULL_SCAN_MS * (0.75 + this.deps.prng() / 2);
  }
}

/** The name of the source that the mirror was last in step with, if that was another one: by its id and by its name. */
function otherSource({ sourceId, source }: Introduction, { lastId, lastSource }: Welcome): string | undefined {
  return lastId === "" || lastId === sourceId || lastSource === source ? undefined : lastSource;
}

/**
 * What to note of a stat taken no earlier than `readAt` (ms): a change made within the same tick of the file system's clock
 * would leave the same times, so a file changed that recently is looked at again (a directory too where its extended
 * attributes matter, which only its times tell of).
 */
export function seenOf(stat: Stat, readAt: number, timeStepNs: bigint, xattrs: boolean): Seen {
  const changedNs = stat.ctimeNs !== 0n ? stat.ctimeNs : stat.mtimeNs;
  const readNs = BigInt(Math.floor(readAt)) * 1_000_000n;
  // A time well ahead of ours was set by hand: the next change will have another.
  const racy = (stat.kind === "file" || xattrs && stat.kind === "dir") &&
    changedNs + CLOCK_TICK_NS + timeStepNs > readNs &&
    changedNs < readNs + CLOCK_SKEW_NS;
  const { ino, mtimeNs, ctimeNs, mode, uid, gid } = stat;
  return { ino, mtimeNs, ctimeNs, mode, uid, gid, racy };
}
