// The client's engine: keeps one source and its mirror level for as long as it runs. It knows no sockets, no threads and no
// terminal: connections, time, randomness, the file system and the watcher's hints are handed in.

import { SourceAttributes } from "./attributes.ts";
import { Cutter } from "../core/chunker.ts";
import { isDamaged } from "../core/database.ts";
import {
  DisconnectedError,
  FatalError,
  isOfDatabase,
  isOfSystem,
  ProblemError,
  ProtocolError,
  reasonOf,
  RefusedError,
} from "../core/errors.ts";
import type { SyncEvent } from "../core/events.ts";
import { type EarlyLook, lookEarly } from "./early_look.ts";
import { Guard } from "./guard.ts";
import { Holds } from "./holds.ts";
import { Problems } from "./problems.ts";
import { Remote, type Welcome } from "./remote.ts";
import { type EngineDeps, type EngineOptions, Session } from "./session.ts";

/** Waits between tries to connect (ms): the first, the longest. */
const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 10_000;

/** What was seen before the server answered. */
interface Early {
  readonly look: EarlyLook;
  /** The mirror whose index was believed. */
  readonly mirrorId: string;
  /** How many hints at changes there had been (client/dirty.ts). */
  readonly additions: number;
}

/** Keeps source and mirror level until stopped, or with `once` until they are. @returns The exit status. */
export class Engine {
  readonly #options: EngineOptions;
  readonly #deps: EngineDeps;
  readonly #cutter = new Cutter();
  readonly #holds: Holds;
  readonly #problems: Problems;
  #guard: { mirrorId: string; guard: Guard } | undefined;

  constructor(options: EngineOptions, deps: EngineDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#holds = new Holds(options.once ? 0 : options.updatemaxMs);
    this.#problems = new Problems(deps.emit);
  }

  /** @throws {FatalError} If it can never work. */
  async run(): Promise<number> {
    const { clock, emit, signal, prng } = this.#deps;
    const { server } = this.#options;
    let waits = 0;
    let told = "";
    while (!signal.aborted) {
      try {
        const link = await this.#deps.dial(signal);
        const remote = new Remote(link, clock);
        const abort = () => remote.close();
        signal.addEventListener("abort", abort);
        let mirrorId: string | undefined;
        try {
          const greeting = remote.hello(this.#options.source);
          // The server looks at its mirror before it answers.
          greeting.catch(() => {});
          const early = this.#lookEarly();
          const welcome = await greeting;
          told = "";
          waits = 0;
          mirrorId = welcome.mirrorId;
          const overlap = this.#deps.overlap(welcome.mirror, welcome.mirrorId);
          if (overlap) throw new FatalError(overlap);
          emit({ event: "connected", peer: `${server} (${welcome.mirror})` });
          const status = await this.#session(remote, welcome, early);
          if (status !== undefined) return status;
        } catch (error) {
          if (isDamaged(error) && mirrorId !== undefined) this.#deps.removeIndex(mirrorId);
          // What ended the connection says more than what it was in the middle of.
          throw remote.error && !(error instanceof FatalError) ? remote.error : error;
        } finally {
          signal.removeEventListener("abort", abort);
          remote.close();
        }
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof RefusedError && !error.retry) throw new FatalError(`${server} refuses: ${error.message}`);
        if (error instanceof FatalError) throw error;
        if (this.#options.once && !isPassing(error)) {
          throw isOfThisMachine(error) ? new FatalError(`This machine refuses: ${reasonOf(error)}`) : error;
        }
        const reason = (error as Error).message;
        if (reason !== told) emit(eventOf(error as Error, server));
        told = reason;
      }
      const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** waits++);
      await clock.sleep(wait * (0.75 + prng() / 2), signal);
    }
    this.#cutter[Symbol.dispose]();
    return 0;
  }

  /** Guards a mirror over all connections to it. */
  #guardOf(mirrorId: string): Guard {
    if (this.#guard?.mirrorId === mirrorId) return this.#guard.guard;
    const { fs, clock, emit, heldRecords } = this.#deps;
    const { source: { source, dryRun }, maxDelete } = this.#options;
    const guard = new Guard({ fs, clock, emit, records: heldRecords(mirrorId), source, maxDelete, dryRun });
    this.#guard = { mirrorId, guard };
    return guard;
  }

  #lookEarly(): Early | undefined {
    const { dirty: { additions }, fs, accounts, clock, lastMirror, openIndex } = this.#deps;
    const { source, rules, xattrs } = this.#options;
    const mirrorId = lastMirror();
    if (mirrorId === undefined) return undefined;
    try {
      using index = openIndex(mirrorId);
      const attributes = new SourceAttributes(fs, index, { xattrs, accounts });
      const look = lookEarly({ fs, index, attributes, rules, keep: !source.dryRun, now: () => clock.now() });
      return look && { mirrorId, look, additions };
    } catch (error) {
      if (!isOfThisMachine(error)) throw error;
      // If there is something wrong with the index, it is so still when it is opened for good.
      return undefined;
    }
  }

  /** One connection. @returns The exit status if the work is over. */
  async #session(
    remote: Remote,
    welcome: Welcome,
    early: Early | undefined,
  ): Promise<number | undefined> {
    const { dirty, emit } = this.#deps;
    const { source } = this.#options;
    const { mirrorId } = welcome;
    using index = this.#deps.openIndex(mirrorId);
    if (source.dryRun) index.begin();
    const session = new Session(
      index,
      remote,
      welcome,
      this.#options,
      this.#deps,
      this.#cutter,
      this.#holds,
      this.#problems,
      this.#guardOf(mirrorId),
    );
    await session.levelIndex(welcome.root);
    emit({ event: "scanning", dir: source.source });
    if (early?.mirrorId === mirrorId && early.additions === dirty.additions) session.early = early.look;
    dirty.addAll();
    const going = this.#go(session);
    // What has begun by now has begun with nothing changed since.
    session.early = undefined;
    return await going;
  }

  /** Cycles, as the options want them. */
  async #go(session: Session): Promise<number | undefined> {
    const { emit } = this.#deps;
    const { source, once } = this.#options;
    if (source.dryRun) {
      const changes = (await session.cycle())?.changed ?? 0;
      const problems = this.#problems.size;
      emit({ event: "planned", changes, problems });
      return problems > 0 || session.guard.holds ? 3 : 0;
    }
    if (once) return await session.once();
    await session.live();
    return undefined;
  }
}

/** Whether the peer or the source is at fault, and the same may work later. */
function isPassing(error: unknown): boolean {
  return isOfPeer(error) || error instanceof ProblemError || isDamaged(error);
}

function isOfPeer(error: unknown): boolean {
  return error instanceof DisconnectedError || error instanceof RefusedError || error instanceof ProtocolError;
}

function isOfThisMachine(error: unknown): boolean {
  return isOfSystem(error) || isOfDatabase(error);
}

/** What to say of that which ended a session. */
function eventOf(error: Error, server: string): SyncEvent {
  if (isOfPeer(error)) return { event: "waiting", server, reason: error.message };
  const what = error instanceof ProblemError
    ? error.message
    : isOfThisMachine(error)
    ? `this machine refuses: ${reasonOf(error)}`
    : `something went wrong here (${error.message})`;
  return { event: "warning", message: `${what}; the mirror stays as it is, and it is tried again` };
}
