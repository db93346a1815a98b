// The guard: asks the brake before anything is lost, and stands by its answer over cycles, connections and restarts. While it
// holds, nothing is deleted; what is held is due still, so every look at the whole source finds it again. What is held is told
// once, noted for `dirsync approve`, and let go when exactly that is approved of, when nothing is missing any more, or when
// the limit is another.

import type { Clock } from "../core/clock.ts";
import type { SourceGoneError } from "../core/errors.ts";
import type { Emit, Held, HeldReason, Release } from "../core/events.ts";
import { HELD, SOURCE_ROOT } from "../core/facts.ts";
import type { FileTree } from "../core/fs.ts";
import type { MaxDelete } from "../core/options.ts";
import type { RelPath } from "../core/path.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import type { ClientMessage } from "../core/wire.ts";
import { Lately, reasonToHold } from "./brake.ts";
import type { CycleGuard } from "./cycle.ts";
import { firstWithin, Harm } from "./harm.ts";
import { isAnotherRoot, lookAtRoot, type RootId, rootId } from "./source_root.ts";

/** An approval is looked for this often while something is held (ms). */
const ASK_MS = 1000;

/** What is held, as it is noted for whoever is to approve of it. */
export interface HeldRecord {
  /** Stands for exactly these losses. */
  readonly code: string;
  readonly held: Held;
}

/** Where it is noted what is held for one mirror. */
export interface HeldRecords {
  /** Notes what is held, with undefined that nothing is. Nothing is approved of then. */
  note(record: HeldRecord | undefined): void;
  /** The code that was approved of, if any. */
  approval(): string | undefined;
}

/** What a guard is made with. */
export interface GuardDeps {
  readonly fs: FileTree;
  readonly clock: Clock;
  readonly emit: Emit;
  readonly records: HeldRecords;
  /** Name of the source for people. */
  readonly source: string;
  readonly maxDelete: MaxDelete;
  /** Nothing is to be noted. */
  readonly dryRun: boolean;
}

/** What a guard has to do with during one connection. */
export interface GuardedMirror {
  readonly index: TreeIndex;
  /** The name of the other source that the mirror was last in step with; undefined if it was this one, or none. */
  readonly otherSource: string | undefined;
  /** The root that the mirror's content came from, as the mirror remembers it; "" if it knows none, undefined if it cannot. */
  readonly lastRoot: string | undefined;
  /** Tells the server something, if it is still there. */
  readonly send: (message: ClientMessage) => void;
}

/** Guards one mirror for as long as the client runs. */
export class Guard implements CycleGuard {
  readonly #deps: GuardDeps;
  readonly #lately = new Lately();
  #mirror!: GuardedMirror;
  /** The root as the cycle that goes on found it, or the last one. */
  #root: RootId | undefined;
  /** The root that the mirror's content comes from, as far as either side knows. */
  #known: RootId | undefined;
  #isMissing = false;
  #isHeld = false;
  /** How much went within the window before it was held: time stands still for it until that is over. */
  #before = 0;
  /** How many entries are held. */
  #total = 0;
  #told: Held | undefined;
  /** Whether the server of this connection knows. */
  #isServerTold = false;
  /** Paths that were approved of and may not be gone yet. */
  #approved: ReadonlySet<RelPath> | undefined;
  /** How it is that the cycle may lose what it is to lose, or that there is nothing; undefined if it may not. */
  #release: Release | undefined;
  #askAt = -Infinity;

  constructor(deps: GuardDeps) {
    this.#deps = deps;
  }

  /** A connection begins. */
  connect(mirror: GuardedMirror): void {
    this.#mirror = mirror;
    this.#isServerTold = false;
    const { index, otherSource, lastRoot } = mirror;
    // A client that has lost its state is told by the mirror; what another source's root was says nothing of ours.
    this.#known = index.fact(SOURCE_ROOT) ?? (otherSource === undefined && lastRoot ? lastRoot : undefined);
    if (otherSource === undefined && this.#known !== undefined) this.#noteRoot(this.#known);
    const before = mirror.index.fact(HELD);
    if (this.#isHeld || before === undefined) return;
    this.#isHeld = true;
    this.#before = Number(before) || 0;
  }

  /** How many entries are held. */
  get held(): number {
    return this.#isHeld ? this.#total : 0;
  }

  /** Whether the source is missing. */
  get isMissing(): boolean {
    return this.#isMissing;
  }

  /** Whether something is held, or the source is missing. */
  get holds(): boolean {
    return this.#isHeld || this.#isMissing;
  }

  get anotherRoot(): boolean {
    return isAnotherRoot(this.#known ?? "", this.#root ?? "");
  }

  get guardContent(): boolean {
    return this.anotherRoot || this.#mirror.otherSource !== undefined;
  }

  /**
   * Looks at the root before a cycle.
   * @returns Whether it is another directory than before, or there again, so that everything is to be looked at.
   * @throws {SourceGoneError}
   */
  begin(): boolean {
    this.#release = undefined;
    const root = rootId(lookAtRoot(this.#deps.fs));
    const isOther = this.#isMissing || this.#root !== undefined && this.#root !== root;
    this.#root = root;
    this.#isMissing = false;
    // Before anything is sent: a drive that goes before the mirror was in step with it once was the source all the same.
    if (this.#known === undefined && this.#mirror.otherSource === undefined) this.#noteRoot(root);
    return isOther;
  }

  /** The root that the cycle works on. */
  get root(): RootId | undefined {
    return this.#root;
  }

  isSameRoot(): boolean {
    try {
      return rootId(lookAtRoot(this.#deps.fs)) === this.#root;
    } catch {
      return false;
    }
  }

  /** The source is not there: nothing is known of it, so nothing is deleted. */
  missing({ message }: SourceGoneError): void {
    this.#isMissing = true;
    this.#tell({ ...this.#heldOf("missing", new Harm()), detail: message });
  }

  allows(harm: Harm, whole: boolean): boolean {
    const { clock, maxDelete } = this.#deps;
    const { index, otherSource } = this.#mirror;
    this.#release = undefined;
    // Only a look at everything tells what is held in all.
    if (this.#isHeld && !whole) return false;
    const now = clock.now();
    const lately = this.#isHeld ? this.#before : this.#lately.sum(now);
    const facts = {
      limit: maxDelete,
      harm,
      lately,
      entries: () => index.count(),
      anotherRoot: this.anotherRoot,
      anotherSource: otherSource !== undefined,
      approved: false,
    };
    const reason = reasonToHold(facts);
    const approved = reason !== undefined && whole && this.#isApproved(harm);
    if (reason === undefined || reasonToHold({ ...facts, approved }) === undefined) {
      const isBack = harm.total === 0 || this.#told?.reason !== "too many";
      this.#release = approved ? "approved" : isBack ? "back" : "allowed";
      if (!approved) this.#lately.add(harm.deleted + harm.emptied, now);
      return true;
    }
    this.#hold(reason, harm, lately, whole);
    return false;
  }

  /**
   * A cycle has come to its end.
   * @param complete Whether it was a look at everything, and the root could be read.
   */
  end(complete: boolean): void {
    const { otherSource, send } = this.#mirror;
    if (!complete || this.#release === undefined) return;
    if (this.#isHeld || this.#told) this.#letGo(this.#release);
    if (this.#deps.dryRun) return;
    // Now, at the latest, the mirror is this source's.
    this.#noteRoot(this.#root!);
    send({ type: "adopt" });
    if (otherSource !== undefined) this.#mirror = { ...this.#mirror, otherSource: undefined };
  }

  /** When to look whether what is held has been approved of; Infinity where nothing waits for that. */
  get askAt(): number {
    return this.#isHeld ? this.#askAt : Infinity;
  }

  /** Looks whether something has been approved of. */
  isAnswered(): boolean {
    this.#askAt = this.#deps.clock.now() + ASK_MS;
    return this.#deps.records.approval() !== undefined;
  }

  /** Notes on both sides which root the mirror's content comes from. */
  #noteRoot(root: RootId): void {
    this.#known = root;
    if (this.#deps.dryRun) return;
    const { index, lastRoot, send } = this.#mirror;
    if (index.fact(SOURCE_ROOT) !== root) {
      index.setFact(SOURCE_ROOT, root);
      // A power cut must not make us forget what the source is.
      index.checkpoint();
    }
    if (lastRoot === undefined || lastRoot === root) return;
    send({ type: "rooted", root });
    this.#mirror = { ...this.#mirror, lastRoot: root };
  }

  #isApproved(harm: Harm): boolean {
    const approved = this.#deps.records.approval();
    if (approved !== undefined && approved === harm.code()) {
      this.#approved = new Set(harm.paths);
      return true;
    }
    // What was approved of is not what is held now, which is told anew.
    if (approved !== undefined) this.#told = undefined;
    // What a broken connection left of it is still approved of.
    const known = this.#approved;
    return known !== undefined && [...harm.paths].every((path) => firstWithin(path, known) !== undefined);
  }

  #hold(reason: HeldReason, harm: Harm, lately: number, whole: boolean): void {
    const { dryRun, records, clock } = this.#deps;
    if (!this.#isHeld) this.#askAt = clock.now() + ASK_MS;
    this.#isHeld = true;
    this.#before = lately;
    this.#total = harm.total;
    this.#mirror.index.setFact(HELD, String(lately));
    if (!whole) return;
    const held = this.#heldOf(reason, harm);
    if (!dryRun) records.note({ code: harm.code(), held });
    this.#tell(held);
  }

  #letGo(how: Release): void {
    const { emit, source, dryRun, records } = this.#deps;
    // What a former start of the program has told of is past.
    if (this.#told || how === "approved") {
      emit({ event: "released", source, how });
      if (!dryRun) this.#mirror.send({ type: "released", how });
    }
    this.#isHeld = false;
    this.#told = this.#approved = undefined;
    this.#before = this.#total = 0;
    this.#lately.clear();
    if (dryRun) return;
    this.#mirror.index.setFact(HELD, undefined);
    records.note(undefined);
  }

  #heldOf(reason: HeldReason, harm: Harm): Held {
    const { deleted, emptied, replaced } = harm;
    const { index, otherSource } = this.#mirror;
    const detail = reason === "another source" ? otherSource! : "";
    const entries = index.count(), sample = harm.sample();
    return { source: this.#deps.source, reason, detail, deleted, emptied, replaced, entries, sample };
  }

  /** Tells people, if they do not know it yet: of more of the same only when it is twice as much. */
  #tell(held: Held): void {
    const { emit, dryRun } = this.#deps;
    const told = this.#told;
    const isKnown = told?.reason === held.reason && totalOf(held) < 2 * Math.max(1, totalOf(told));
    if (!isKnown) {
      emit({ event: "held", ...held });
      this.#told = held;
    }
    if (dryRun || isKnown && this.#isServerTold) return;
    this.#isServerTold = true;
    const { source: _, ...what } = held;
    this.#mirror.send({ type: "held", ...what });
  }
}

function totalOf({ deleted, emptied, replaced }: Held): number {
  return deleted + emptied + replaced;
}
