// The whole of dirsync, both sides, in one process: on file systems in memory, over a network in memory, under a clock that stands
// still until nothing else can go on. A program says what happens; the oracles (tests/simulate/oracles.ts) look after every step.

import { createHash } from "node:crypto";
import { MemoryFs } from "../support/memory_fs.ts";
import { MountPoint } from "../support/mount_point.ts";
import { removeTree } from "../../core/fs.ts";
import { joinPath, type RelPath, ROOT } from "../../core/path.ts";
import { PRIVATE_DIR } from "../../server/places.ts";
import { type Random, seeded } from "../support/seed.ts";
import { doSomething } from "../support/user.ts";
import { World } from "../support/world.ts";
import { CrashDisk } from "./crash_disk.ts";
import { Life } from "./life.ts";
import { Network } from "./network.ts";
import { Oracles } from "./oracles.ts";
import type { Action, Program, Side } from "./program.ts";

// Deno loads node:crypto with the first hash, and lets promises go on meanwhile: in the middle of what nothing else may interrupt.
createHash("sha256").update("").digest("hex");

/** How long everything has to come to rest at the end (ms): longer than any file is held back. */
const REST_MS = 100_000;
/** What a mirror becomes equal after, over the connection that there is. */
const CALM: ReadonlySet<Action["do"]> = new Set(["user", "busy", "write", "pass", "clock", "weather", "stall"]);
/** A machine is up again after this (ms). */
const UP_AGAIN_MS = 50;

/** What came of a simulation. */
export interface Outcome {
  /** What an oracle says is wrong, if anything is. */
  readonly failure: string | undefined;
  /** All that was told, and all that was on the mirror at the end: the same for the same program, or it is not deterministic. */
  readonly trace: () => string;
}

/**
 * Runs a program to its end, or to the first thing that is wrong.
 * @param tell Told of what happens, and of each call that changes the mirror's disk; without, errors know no stack.
 */
export async function simulate(program: Program, tell?: (line: string) => void): Promise<Outcome> {
  using simulation = new Simulation(tell);
  let failure: string | undefined;
  // To note where each error of so many comes from takes longer than what they are of.
  const { stackTraceLimit } = Error;
  if (!tell) Error.stackTraceLimit = 0;
  try {
    for (const [step, action] of program.entries()) {
      tell?.(JSON.stringify(action));
      await simulation.act(action);
      simulation.oracles.always(`step ${step} (${action.do})`);
    }
    await simulation.rest();
  } catch (error) {
    failure = (error as Error).message || String(error);
    if (!(error instanceof Error) || error.name !== "OracleError") failure += `\n${(error as Error).stack}`;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  return { failure, trace: simulation.traced(failure !== undefined) };
}

class Simulation implements Disposable {
  readonly #disk = new CrashDisk();
  readonly #world: World;
  readonly #network: Network;
  readonly #place = new MountPoint();
  #devices = 7n;
  readonly oracles: Oracles;
  /** Randomness of what nobody chose: the network's, and when an index reaches the disk. */
  readonly #chance = seeded(1);
  #server: Life | undefined;
  #client: { readonly life: Life; readonly stop: () => Promise<number> } | undefined;

  constructor(readonly tell: ((line: string) => void) | undefined) {
    const world: World = this.#world = new World({
      xattrs: true,
      // This user deletes whatever it likes.
      maxDelete: { percent: 100 },
      mirrorDisk: this.#disk,
      join: () => this.#network.join(),
      wrapMirror: (fs) => this.#server!.lead(fs, tell),
      wrapSource: (fs) => this.#clientLife.lead(this.#place.fs(fs)),
      onCommit: (steps) => {
        const acknowledged = this.oracles.commit(steps);
        return (problems) => {
          if (this.#server?.dead !== false) return;
          acknowledged(problems.map(({ path }) => path));
          if (this.#chance(3) === 0) world.serverDatabase.checkpoint();
        };
      },
    });
    this.#network = new Network(world.clock, this.#chance);
    this.oracles = new Oracles(world);
  }

  [Symbol.dispose](): void {
    this.#world[Symbol.dispose]();
  }

  async act(action: Action): Promise<void> {
    const world = this.#world;
    this.#isCalm &&= CALM.has(action.do);
    // Connections have the weather that they are made in.
    if (action.do !== "weather") this.#start();
    switch (action.do) {
      case "user":
        this.#use(action.seed, action.count);
        break;
      case "busy": {
        const { seed, count, calls } = action;
        this.#client!.life.busy = { calls, act: () => this.#use(seed, count) };
        break;
      }
      case "write": {
        const { seed, reads } = action;
        this.#client!.life.write = { reads, act: (path) => this.#write(path, seeded(seed)) };
        break;
      }
      case "clock":
        world.clock.set(action.ms);
        break;
      case "meddle": {
        const random = seeded(action.seed);
        for (let i = 1 + random(3); i > 0; i--) doSomething(world.mirror, random);
        // What others write is theirs to make durable.
        this.#disk.syncedAll();
        this.oracles.meddled();
        break;
      }
      case "pass":
        await world.clock.pass(action.ms);
        break;
      case "cut":
        this.#network.cut();
        break;
      case "stall":
        this.#network.stall(action.ms);
        break;
      case "weather":
        this.#network.weather = { latencyMs: action.latencyMs, piece: action.piece || Infinity };
        break;
      case "restart":
        await this.#stop(action.side);
        break;
      case "crash": {
        const life = this.#lifeOf(action.side);
        life.left = action.calls;
        life.end = () => this.#die(action.side, action.power, action.seed);
        // The client's calls change nothing: there it is a matter of time.
        if (action.side === "client") {
          await world.clock.pass(action.calls);
          life.end();
        }
        break;
      }
      case "fault": {
        const { side, calls, times, code, of } = action;
        this.#lifeOf(side).fault = { calls, times, code, of };
        break;
      }
      case "unmount":
        await this.#unmount(action.leaves, action.ms);
        break;
      case "forget":
        await this.#stop(action.side);
        this.#forget(action.side);
        break;
    }
    await world.clock.idle();
    await this.#bury();
    // What a client has found it has not told yet, where it has nobody to tell.
    if (this.#client && this.#network.isJoined && !this.#network.isBusy) this.oracles.told();
  }

  /** Nothing goes wrong any more, and the source is quiet: the mirror must become equal, and tidy. */
  async rest(): Promise<void> {
    const { clock } = this.#world;
    this.#start();
    for (const life of [this.#server!, this.#client!.life]) life.spare();
    if (this.#isCalm) {
      await clock.pass(REST_MS);
      this.oracles.rest();
    }
    // What somebody else did in the mirror is found when a client connects.
    this.#network.weather = { latencyMs: 0, piece: Infinity };
    await clock.pass(1000);
    this.#network.cut();
    await clock.pass(REST_MS);
    // A drive that was there for a while may have been taken for the source, if nothing was lost by it; what it brought is held.
    this.#world.held.approve();
    await clock.pass(5000);
    await this.#bury();
    this.oracles.always("at rest");
    this.oracles.rest();
    await this.#stop("client");
  }

  /** @param atOnce Whether something may still go on. */
  traced(atOnce: boolean): () => string {
    const { clientEvents, serverEvents, mirror } = this.#world;
    const told = [[...clientEvents], [...serverEvents]];
    const replacer = (_: string, value: unknown) => typeof value === "bigint" ? String(value) : value;
    const put = () => JSON.stringify([told, mirror.tree()], replacer);
    if (!atOnce) return put;
    const now = put();
    return () => now;
  }

  /** The user does random things to the source. */
  #use(seed: number, count: number): void {
    const world = this.#world;
    const random = seeded(seed);
    for (let i = 0; i < count; i++) {
      const paths = doSomething(world.source, random);
      this.oracles.changed(paths);
      if (this.#client) world.dirty.addPaths(paths);
    }
  }

  /** The user writes to a file of the source in place. */
  #write(path: RelPath, random: Random): void {
    const { source, dirty } = this.#world;
    const stat = source.lstat(path);
    if (stat?.kind !== "file") return;
    const more = new Uint8Array(1 + random(5000)).fill(random(256));
    const bytes = source.readFile(path);
    switch (random(3)) {
      case 0:
        source.appendFile(path, more);
        break;
      case 1:
        source.writeFile(path, bytes.subarray(0, random(bytes.length + 1)));
        break;
      default:
        // All of it is other than it was, and as long.
        source.writeFile(path, bytes.map((byte) => byte ^ 1));
    }
    this.oracles.changed([path]);
    dirty.addPaths([path]);
  }

  /** The source's drive goes for a while. P5: the mirror keeps what it has. */
  async #unmount(leaves: (Action & { do: "unmount" })["leaves"], ms: number): Promise<void> {
    const { clock, dirty, source, mirror } = this.#world;
    // What was gone before the drive may go in the mirror too.
    const kept = this.oracles.inBoth();
    // Never the same one: which of two drives the source is that were both mirrored as such, nobody can tell.
    const left = new MemoryFs(clock.nowNs, undefined, undefined, ++this.#devices);
    if (leaves === "a few files") {
      for (const name of ["a", "b", "desktop.ini"]) left.writeFile(joinPath(ROOT, name), "x");
    }
    this.#place.at = leaves === "nothing" ? undefined : left;
    this.oracles.replaced(left);
    dirty.addPaths(mirror.list(ROOT).map(({ name }) => joinPath(ROOT, name)).filter((path) => path !== PRIVATE_DIR));
    dirty.addAll();
    await clock.pass(ms);
    this.oracles.keeps(kept);
    this.#place.at = source;
    dirty.addAll();
  }

  #start(): void {
    const world = this.#world;
    if (!this.#server) {
      this.#server = new Life();
      world.startServer();
      this.oracles.recovered();
    }
    if (!this.#client) {
      this.#clientLife = new Life();
      this.#client = { life: this.#clientLife, stop: world.live() };
    }
  }

  #clientLife = new Life();

  #lifeOf(side: Side): Life {
    return side === "server" ? this.#server! : this.#client!.life;
  }

  /** A process ends at once; with its machine's power, what was not on the disk may be gone. */
  #die(side: Side, power: boolean, seed: number): void {
    const world = this.#world;
    const life = this.#lifeOf(side);
    if (life.dead) return;
    life.dead = true;
    this.#power = power;
    this.#network.cut();
    (side === "server" ? world.serverDatabase : world.clientDatabase).kill();
    if (side === "server" && power) {
      this.#disk.cut(seeded(seed));
      world.mirror.remount();
    }
  }

  #power = false;
  /** Whether nothing has gone wrong so far. */
  #isCalm = true;

  /** What has died finds out, is gone, and its machine is up again. */
  async #bury(): Promise<void> {
    const world = this.#world;
    for (const side of ["server", "client"] as const) {
      if (side === "server" ? !this.#server?.dead : !this.#client?.life.dead) continue;
      if (side === "server") {
        world.stopServer();
        await world.clock.pass(UP_AGAIN_MS);
        this.#server = undefined;
        world.serverDatabase.revive(this.#power);
      } else {
        await this.#client!.stop();
        this.#client = undefined;
        world.clientDatabase.revive(this.#power);
      }
      this.oracles.crashed(side, this.#power);
    }
  }

  /** Ends a process as Ctrl+C does. */
  async #stop(side: Side): Promise<void> {
    const world = this.#world;
    if (side === "server") {
      world.stopServer();
      await world.clock.idle();
      await this.#bury();
      this.#server = undefined;
    } else {
      await this.#client?.stop();
      this.#client = undefined;
    }
  }

  /** What a process keeps for itself is deleted while it does not run. */
  #forget(side: Side): void {
    const world = this.#world;
    this.oracles.forgot(side);
    if (side === "client") return world.clientDatabase.forget();
    world.serverDatabase.forget();
    removeTree(world.mirror, PRIVATE_DIR);
    this.oracles.meddled();
  }
}
