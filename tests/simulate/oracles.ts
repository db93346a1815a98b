// What must be true in every simulation, after every step: promises P1 to P5 as questions to the file systems in memory.

import type { RelPath } from "../../core/path.ts";
import { firstWithin } from "../../client/harm.ts";
import { isWithin, ROOT } from "../../core/path.ts";
import type { CommitStep } from "../../server/journal.ts";
import { HISTORY_DIR, PRIVATE_DIR } from "../../server/places.ts";
import type { MemoryFs, TreeEntry } from "../support/memory_fs.ts";
import type { World } from "../support/world.ts";
import type { Side } from "./program.ts";

/** What is left of the private folder when nothing goes on. */
const TIDY: readonly string[] = [PRIVATE_DIR, `${PRIVATE_DIR}/id`, `${PRIVATE_DIR}/slots`, `${PRIVATE_DIR}/stage`];

/** A promise is broken. */
export class OracleError extends Error {
  override name = "OracleError";
}

/** Looks whether the promises are kept. */
export class Oracles {
  readonly #world: World;
  /** Every content that a file of the source ever had, or somebody else put into the mirror. */
  readonly #held = new Set<string>();
  /** What the mirror held when it acknowledged the last commit, by path, and has not been asked to change since. */
  #acknowledged = new Map<RelPath, string>();
  /** Steps that were not acknowledged: of the commit under way at a crash, of those that failed, and what failed in the last. */
  #underWay: readonly CommitStep[] = [];
  #checkRecovery = false;
  /** What was torn at a commit. */
  #torn: string | undefined;
  /** Who knows which drive the source is, and how often the client has looked at all of one, as far as that counts. */
  #rootKnown = new Set<Side>();
  #looks = 0;
  /** Inode numbers of the source by path; and paths that had another, or none, since the mirror was told of everything. */
  readonly #inodes = new Map<RelPath, bigint>();
  readonly #moved = new Set<RelPath>();
  #events = 0;
  #crashes = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** The source has changed at these paths. */
  changed(paths: readonly RelPath[]): void {
    for (const path of paths) {
      const content = this.#world.source.contentAt(path);
      if (content !== undefined) this.#held.add(content);
      const ino = this.#world.source.lstat(path)?.ino, before = this.#inodes.get(path);
      // Also what has gone may be there again: it was told of, or was about to be, where it was meanwhile.
      if (before !== undefined && before !== ino) this.#moved.add(path);
      if (ino !== undefined) this.#inodes.set(path, ino);
    }
  }

  /** Nothing is under way: the mirror has been told of all that the client has found. */
  told(): void {
    this.#moved.clear();
    if (this.#lookCount() > this.#looks) this.#rootKnown = new Set(["client", "server"]);
    this.#looks = this.#lookCount();
  }

  #lookCount(): number {
    return this.#world.clientEvents.filter(({ event }) => event === "scanning").length;
  }

  /** What a process kept for itself is deleted. */
  forgot(side: Side): void {
    this.#rootKnown.delete(side);
  }

  /** The source is another drive. */
  replaced(source: MemoryFs): void {
    for (const content of contents(source).values()) this.#held.add(content);
  }

  /**
   * Paths of files that source and mirror have in common, whatever is in them, but for those where one has come to the place of another
   * while the mirror was not told everything: that this was moved or removed may still be under way.
   */
  inBoth(): RelPath[] {
    // In the very stretch of work in which a client begins to look at a drive, it notes which one that is.
    if (this.#lookCount() > this.#looks) this.#rootKnown.add("client");
    // Nobody can tell it from another drive.
    if (this.#rootKnown.size === 0) return [];
    const mirror = contents(this.#world.mirror),
      isMoved = (path: RelPath) => firstWithin(path, this.#moved) !== undefined;
    return [...contents(this.#world.source).keys()].filter((path) => mirror.has(path) && !isMoved(path));
  }

  /** P5: nothing of this is gone from the mirror, though the source's drive is. */
  keeps(paths: readonly RelPath[]): void {
    const mirror = contents(this.#world.mirror);
    const gone = paths.filter((path) => !mirror.has(path));
    if (gone.length > 0) throw new OracleError(`P5: without its source the mirror has lost ${gone.join(", ")}`);
    // A look at what was there meanwhile is none at the drive.
    this.#looks = this.#lookCount();
  }

  /** Somebody else has changed the mirror: of what was acknowledged, nothing can be said any more. */
  meddled(): void {
    for (const content of contents(this.#world.mirror).values()) this.#held.add(content);
    this.#acknowledged.clear();
  }

  /** A commit begins. @returns To be called when it is acknowledged. */
  commit(steps: readonly CommitStep[]): (failed: readonly string[]) => void {
    // One that failed as a whole may have done anything, and is completed when a client comes.
    this.#underWay = [...this.#underWay, ...steps];
    return (failed) => {
      // A power cut may bring the journal back, by which what has failed is tried once more.
      this.#underWay = steps.filter((step) => failed.some((path) => touches(step, path as RelPath)));
      this.#acknowledged = contents(this.#world.mirror);
      // What is torn for a moment only is torn.
      this.#torn ??= this.#findTorn(this.#acknowledged);
    };
  }

  crashed(side: Side, _power: boolean): void {
    this.#crashes++;
    if (side === "server") this.#checkRecovery = true;
  }

  /** A server has started, and has completed what a crash interrupted. P3: what was acknowledged is there. */
  recovered(): void {
    if (!this.#checkRecovery) return;
    this.#checkRecovery = false;
    const now = contents(this.#world.mirror), everywhere = new Set(this.#world.mirror.contents().values());
    for (const [path, content] of this.#acknowledged) {
      if (now.get(path) === content) continue;
      if (!this.#underWay.some((step) => touches(step, path))) {
        throw new OracleError(
          `P3: "${path}" was acknowledged as ${short(content)}, and is ${short(now.get(path))} after a crash`,
        );
      }
      if (!everywhere.has(content)) {
        throw new OracleError(`P3: ${short(content)}, acknowledged as "${path}", is lost`);
      }
    }
    this.#underWay = [];
    this.#acknowledged = now;
  }

  /** P2: every file of the mirror is, whole, a version that somebody made. P4: nothing unexpected was told. */
  always(when: string): void {
    const torn = this.#torn ?? this.#findTorn(contents(this.#world.mirror));
    if (torn !== undefined) throw new OracleError(`P2 at ${when}: ${torn}`);
    const events = [...this.#world.clientEvents, ...this.#world.serverEvents];
    for (const event of events.slice(this.#events)) {
      if (event.event !== "warning" || this.#crashes > 0 && event.message.includes("crash")) continue;
      if (/went wrong here|session ended/.test(event.message)) {
        throw new OracleError(`P4 at ${when}: ${event.message}`);
      }
    }
  }

  #findTorn(now: ReadonlyMap<RelPath, string>): string | undefined {
    for (const [path, content] of now) if (!this.#held.has(content)) return `"${path}" is torn: ${short(content)}`;
    return undefined;
  }

  /** P1: the mirror is equal, and nothing is left lying about. */
  rest(): void {
    const { source, mirror, clientEvents } = this.#world;
    const want = describe(source.tree()), have = describe(mirror.tree({ withoutPrivate: true }));
    const root = [source, mirror].map((fs) => fs.lstat(ROOT)!).map(({ mode, mtimeNs }) => `${mode} ${mtimeNs}`);
    want.set("", root[0]!);
    have.set("", root[1]!);
    for (const path of new Set([...want.keys(), ...have.keys()])) {
      if (want.get(path) === have.get(path)) continue;
      const told = clientEvents.slice(-3).map((event) => JSON.stringify(event)).join("\n");
      throw new OracleError(`P1: "${path}" is ${have.get(path)}, not ${want.get(path)}\n${told}`);
    }
    const litter = Object.keys(mirror.tree()).filter((path) =>
      isWithin(path as RelPath, PRIVATE_DIR) && !isWithin(path as RelPath, HISTORY_DIR) && !TIDY.includes(path)
    );
    if (litter.length > 0) throw new OracleError(`Litter: ${litter.join(", ")}`);
  }
}

/** What is in the files of a tree. */
function contents(fs: MemoryFs): Map<RelPath, string> {
  return fs.contents({ withoutPrivate: true });
}

function describe(tree: Record<string, TreeEntry>): Map<string, string> {
  const replacer = (_: string, value: unknown) => typeof value === "bigint" ? String(value) : value;
  return new Map(Object.entries(tree).map(([path, entry]) => [path, JSON.stringify(entry, replacer)]));
}

function short(content: string | undefined): string {
  return content === undefined ? "not there" : JSON.stringify(content.slice(0, 80));
}

/** Whether a step may change what is at a path. */
function touches(step: CommitStep, path: RelPath): boolean {
  const places = [
    ..."path" in step ? [step.path] : [],
    ..."from" in step ? [step.from] : [],
    ..."to" in step ? [step.to] : [],
  ];
  return places.some((place) => isWithin(path, place));
}
