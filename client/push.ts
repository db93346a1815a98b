// Carries a plan out: sends each step, and each file's content where the mirror lacks it, and commits now and then. What was
// acknowledged is told; what failed is a problem of its path alone.

import type { Cutter } from "../core/chunker.ts";
import type { Clock } from "../core/clock.ts";
import { ChangedWhileReadError, isOfPath, reasonOf, ReplacedError } from "../core/errors.ts";
import { type Change, type Emit, tellChanges } from "../core/events.ts";
import type { FileTree, Stat } from "../core/fs.ts";
import { nameOf, type RelPath, ROOT } from "../core/path.ts";
import type { Seen } from "../core/entry_rows.ts";
import type { StartHasher } from "../core/second_thread.ts";
import type { TreeIndex } from "../core/tree_index.ts";
import { type Recipe, sameAttributes, type Step } from "../core/types.ts";
import type { ClientMessage } from "../core/wire.ts";
import type { SourceAttributes } from "./attributes.ts";
import type { Holds } from "./holds.ts";
import type { Planned, PlannedContent } from "./plan.ts";
import { nowhere, type Outlet } from "./outbox.ts";
import { type Base, type SendDeps, sendFile } from "./send_file.ts";

/** A commit holds at most so many steps, and so many bytes of files unless a single one is larger. */
const COMMIT_STEPS = 2000;
const COMMIT_BYTES = 64 << 20;
/** Its paths are no longer together (bytes): should all of them fail, the answer that names them fits into a message. */
const COMMIT_PATH_BYTES = 512 << 10;
/** UTF-8 has at most so many bytes for a UTF-16 code unit. */
const MAX_BYTES_OF_A_UNIT = 3;
/** Commits under way before the next is waited with. */
const OPEN_COMMITS = 4;
/** The thread is given back to others at least this often (ms). */
const YIELD_MS = 40;
/** A file that changed while it was read is read again after this (ms), or nine times as long as that took. */
const SHORTEST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 60_000;
/** Least time between two progress events (ms). */
const PROGRESS_MS = 100;

/** What a push works with. */
export interface PushDeps {
  readonly fs: FileTree;
  readonly index: TreeIndex;
  readonly outlet: Outlet;
  readonly attributes: SourceAttributes;
  readonly cutter: Cutter;
  readonly secondThread?: StartHasher | undefined;
  readonly clock: Clock;
  readonly holds: Holds;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** Notes of a stat taken at `readAt` (ms) what a later one is compared with. */
  readonly seenOf: (stat: Stat, readAt: number) => Seen;
  /** Whether the mirror may hold chunks worth asking for. */
  readonly ask: boolean;
  /** The average chunk size that the server wishes for, 0 if it has no wish. */
  readonly average: number;
  /** Paths at which the mirror failed in the last cycle. */
  readonly refusedOnce: ReadonlySet<RelPath>;
  /** Tell every change by name, however many there are. */
  readonly everyChange: boolean;
}

/** What came of a push. */
export interface PushResult {
  /** Paths of the source that could not be read or sent, with the reason. */
  readonly problems: Map<RelPath, string>;
  /** Paths at which the mirror failed: what the index believes of it there is wrong now. */
  readonly refused: Map<RelPath, string>;
  /** Paths to look at again, and when (ms of the clock). */
  readonly later: Map<RelPath, number>;
  /** How many changes the mirror has acknowledged. */
  readonly changed: number;
}

/** One cycle's push. */
export class Push {
  readonly #deps: PushDeps;
  readonly #problems = new Map<RelPath, string>();
  readonly #refused = new Map<RelPath, string>();
  readonly #later = new Map<RelPath, number>();
  readonly #open: Promise<void>[] = [];
  readonly #started: number;
  #changes: Change[] = [];
  #steps = 0;
  /** Files sent since the last commit, which the mirror does not have under their names yet. */
  readonly #uncommitted = new Set<number>();
  /** Whether a step since the last commit gives entries other names. */
  #moved = false;
  #bytes = 0;
  #pathBytes = 0;
  #changed = 0;
  #yielded: number;
  #told: number;
  #done = { entries: 0, bytes: 0 };
  /** What there is to be done in all, once the scan has ended. */
  total: { entries: number; bytes: number } | undefined;

  constructor(deps: PushDeps) {
    this.#deps = deps;
    this.#started = this.#yielded = this.#told = deps.clock.now();
  }

  /** Notes a problem of the source. */
  problem(path: RelPath, message: string): void {
    this.#problems.set(path, message);
  }

  /**
   * Carries one planned thing out.
   * @throws {DisconnectedError | RefusedError | ProtocolError} Only if the connection is over; never for one path's sake.
   */
  async carryOut(planned: Planned): Promise<void> {
    await this.#tellUntold();
    if (planned.do === "wait") this.#later.set(planned.path, planned.until);
    else if (planned.do === "content") await this.#content(planned);
    else {
      await this.#step(planned.step);
      if (planned.change) this.#changes.push(planned.change);
    }
    this.#done.entries++;
    const isFull = this.#steps >= COMMIT_STEPS || this.#bytes >= COMMIT_BYTES || this.#pathBytes >= COMMIT_PATH_BYTES;
    if (isFull) await this.#commit();
    await this.#breathe();
  }

  /**
   * Compares a file with what the mirror has there, and sends no content. The same content is noted as such.
   * @returns Whether it is another one, or cannot be read.
   */
  async isOther(planned: PlannedContent): Promise<boolean> {
    const { path, stat, attributes, node } = planned;
    if (node?.entry.kind !== "file" || node.entry.size !== stat.size) return true;
    const started = this.#deps.clock.date();
    const base = { id: node.id, entry: node.entry, recipe: this.#deps.index.recipe(node.id) };
    try {
      const file = await sendFile({ path, stat, attributes }, base, this.#sendDeps(nowhere));
      if (file.sent) return true;
      await this.#tellUntold();
      await this.#keep(planned, base, file.recipe, this.#deps.seenOf(stat, started));
    } catch (error) {
      if (!isOfPath(error)) throw error;
      return true;
    }
    await this.#breathe();
    return false;
  }

  /** Commits what is left and waits until everything is acknowledged. */
  async finish(): Promise<PushResult> {
    await this.#commit();
    await Promise.all(this.#open);
    return { problems: this.#problems, refused: this.#refused, later: this.#later, changed: this.#changed };
  }

  /** Tells the mirror what stands behind the numbers and digests of the attributes that follow. */
  async #tellUntold(): Promise<void> {
    for (const message of this.#deps.attributes.untold()) await this.#deps.outlet.send(message);
  }

  async #step(step: Step): Promise<void> {
    this.#count("path" in step ? step.path : "to" in step ? step.to : ROOT);
    if (step.op !== "mkdir" && step.op !== "meta") this.#moved = true;
    await this.#deps.outlet.send(messageOf(step));
  }

  /** Counts a step, and the path that it would fail at. */
  #count(path: RelPath): void {
    this.#steps++;
    this.#pathBytes += MAX_BYTES_OF_A_UNIT * path.length;
  }

  async #content(planned: PlannedContent): Promise<void> {
    const { path, stat, attributes, parent, node } = planned;
    const { index, clock, holds, seenOf } = this.#deps;
    const started = clock.now(), readAt = clock.date();
    const due = node ? holds.dueAt(path) : -Infinity;
    if (due > started) {
      this.#later.set(path, due);
      return;
    }
    const before = node?.entry.kind === "file" ? node.entry : undefined;
    try {
      const base = before && { id: node!.id, entry: before, recipe: index.recipe(node!.id) };
      // Its time is as it was: it has got another mode or name, or is looked at again because it was seen too soon after a change.
      const isDoubtful = before?.size === stat.size && node?.seen?.mtimeNs === stat.mtimeNs;
      const file = await sendFile({ path, stat, attributes, isDoubtful }, base, this.#sendDeps(this.#deps.outlet));
      const seen = seenOf(stat, readAt);
      if (file.sent) {
        this.#count(path);
        this.#bytes += file.entry.size;
        const id = index.put(parent, nameOf(path), file.entry, seen, file.recipe);
        index.separate(attributes.link, id);
        this.#uncommitted.add(id);
        this.#changes.push({ change: before ? "update" : "create", kind: "file", path, size: file.entry.size });
        holds.sent(path, clock.now(), clock.now() - started);
        return;
      }
      await this.#keep(planned, base!, file.recipe, seen);
    } catch (error) {
      if (!isOfPath(error)) throw error;
      // The file that was opened may be another by now: what is there is looked at again.
      if (error instanceof ChangedWhileReadError) {
        // Like a file that is sent, one that cannot be may take a tenth of the time.
        const wait = Math.max(SHORTEST_WAIT_MS, 9 * (clock.now() - started));
        this.#later.set(path, clock.now() + Math.min(LONGEST_WAIT_MS, wait));
      } else if (isReplaced(error)) this.#later.set(path, clock.now());
      else this.problem(path, reasonOf(error));
      if (node && stat.kind === "file") index.setSeen(node.id, undefined);
    }
  }

  /** Notes that the mirror has a file's content, and sets what else differs. */
  async #keep({ path, attributes, node }: PlannedContent, base: Base, recipe: Recipe, seen: Seen): Promise<void> {
    const { index } = this.#deps;
    if (!base.recipe) index.setRecipe(node!, recipe);
    if (sameAttributes(node!.entry, attributes)) return index.setSeen(node!.id, seen);
    index.setMeta(node!, attributes, seen);
    await this.#step({ op: "meta", path, attributes });
    this.#changes.push({ change: "metadata", kind: "file", path });
  }

  #sendDeps(remote: Outlet): SendDeps {
    const { outlet: _, ...rest } = this.#deps;
    const progress = (bytes: number) => {
      this.#done.bytes += bytes;
      this.#progress();
    };
    const isReal = remote !== nowhere;
    const settle = (id: number) =>
      isReal && (this.#moved || this.#uncommitted.has(id)) ? this.#commit() : Promise.resolve();
    return { ...rest, remote, progress, settle, breathe: () => this.#breathe() };
  }

  async #commit(): Promise<void> {
    const { outlet } = this.#deps;
    if (this.#steps === 0) return;
    const changes = this.#changes;
    this.#changes = [];
    this.#steps = this.#bytes = this.#pathBytes = 0;
    this.#moved = false;
    this.#uncommitted.clear();
    const acknowledged = outlet.commit().then((problems) => {
      for (const { path, message } of problems) this.#refused.set(path, message);
      this.#tell(changes.filter(({ path }) => !this.#refused.has(path as RelPath)));
    });
    acknowledged.catch(() => {});
    this.#open.push(acknowledged);
    if (this.#open.length > OPEN_COMMITS) await this.#open.shift();
  }

  #tell(changes: Change[]): void {
    this.#changed += changes.length;
    tellChanges(changes, this.#deps.emit, this.#deps.everyChange);
  }

  #progress(): void {
    const { clock, emit } = this.#deps;
    const now = clock.now();
    if (now - this.#told < PROGRESS_MS) return;
    this.#told = now;
    const { entries, bytes } = this.#done;
    const totals = this.total && { entriesTotal: this.total.entries, bytesTotal: this.total.bytes };
    emit({ event: "progress", entries, bytes, ...totals, elapsedMs: now - this.#started });
  }

  /** Lets answers and signals through: all else here is synchronous. */
  #breathe(): Promise<void> | undefined {
    const { clock, signal } = this.#deps;
    signal.throwIfAborted();
    if (clock.now() - this.#yielded < YIELD_MS) return undefined;
    return clock.sleep(0).then(() => {
      this.#yielded = clock.now();
      this.#progress();
    });
  }
}

function messageOf(step: Step): ClientMessage {
  // A file's step is the message sequence that sendFile sends.
  if (step.op === "file") throw new TypeError("A file is not sent as a step");
  const { op, ...rest } = step;
  return { type: op, ...rest } as ClientMessage;
}

/** Whether a file has gone, or something else has come in its place, since it was looked at. */
function isReplaced(error: unknown): boolean {
  const { NotFound, FilesystemLoop, NotADirectory, IsADirectory } = Deno.errors;
  return [NotFound, FilesystemLoop, NotADirectory, IsADirectory, ReplacedError].some((type) => error instanceof type);
}
