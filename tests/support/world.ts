// Both engines in one process, on file systems in memory, joined by a pipe, under a clock that the test turns.

import { DirtySet } from "../../client/dirty.ts";
import { Engine } from "../../client/engine.ts";
import type { HeldRecord, HeldRecords } from "../../client/guard.ts";
import type { EngineOptions } from "../../client/session.ts";
import { type Accounts, noAccounts } from "../../core/accounts.ts";
import { DisconnectedError } from "../../core/errors.ts";
import type { SyncEvent } from "../../core/events.ts";
import type { FileSystem } from "../../core/fs.ts";
import type { Grant } from "../../core/grant.ts";
import { IgnoreRules } from "../../core/ignore.ts";
import { type Link, pipe, relay } from "../../core/link.ts";
import { throttled } from "../../core/throttle.ts";
import type { HistoryLimits } from "../../server/history.ts";
import type { CommitStep } from "../../server/journal.ts";
import type { MaxDelete } from "../../core/options.ts";
import type { Problem } from "../../core/types.ts";
import { Mirror } from "../../server/mirror.ts";
import { serve } from "../../server/session.ts";
import { FakeClock } from "./fake_clock.ts";
import { type Disk, steadyDisk } from "./inodes.ts";
import { InlineHasher } from "./hasher.ts";
import { LastingDatabase } from "./lasting_database.ts";
import { type FsUser, MemoryFs } from "./memory_fs.ts";

/** Notes of what is held, which outlive the client as files do. */
class HeldInMemory implements HeldRecords {
  record: HeldRecord | undefined;
  #approval: string | undefined;

  note(record: HeldRecord | undefined): void {
    this.record = record;
    this.#approval = undefined;
  }

  approval(): string | undefined {
    return this.#approval;
  }

  /** Approves of what is held now, or of what has this code. */
  approve(code = this.record?.code): void {
    this.#approval = code;
  }
}

/** What a world can be made with. */
export interface WorldOptions {
  readonly updatemaxMs?: number;
  readonly exclude?: readonly string[];
  readonly xattrs?: boolean;
  /** How long, and how much, the mirror's history keeps. @default {{ days: 30 }} */
  readonly history?: HistoryLimits;
  /** The average chunk size that the server wishes for. */
  readonly average?: number;
  readonly maxDelete?: MaxDelete;
  /** Bytes a second that the client's line takes, out of a buffer as large as a link's. */
  readonly rate?: number;
  /** Who the server runs as. */
  readonly serverUser?: FsUser;
  /** Names of users and groups on either side. */
  readonly sourceAccounts?: Accounts;
  readonly mirrorAccounts?: Accounts;
  /** The file systems as the engines see them, around those in memory. */
  readonly wrapSource?: (fs: MemoryFs) => FileSystem;
  readonly wrapMirror?: (fs: MemoryFs) => FileSystem;
  /** What is below the mirror's file system. @default {steadyDisk} */
  readonly mirrorDisk?: Disk;
  /** Makes a connection. @default {pipe} */
  readonly join?: () => [Link, Link];
  /** Told of every commit of the mirror: what it begins with; resolves to what is told when it is acknowledged. */
  readonly onCommit?: (steps: readonly CommitStep[]) => (problems: readonly Problem[]) => void;
}

/** What reads an open file as a second thread does. */
function hasherOf(fs: MemoryFs): InlineHasher {
  return new InlineHasher((handle, offset, length) => fs.readHandle(handle, offset, length));
}

/** A client, a server and what lies between them. */
export class World implements Disposable {
  readonly clock = new FakeClock();
  readonly source = new MemoryFs(this.clock.nowNs);
  readonly mirror: MemoryFs;
  readonly dirty = new DirtySet();
  readonly clientEvents: SyncEvent[] = [];
  readonly serverEvents: SyncEvent[] = [];
  /** What is held, and what the user approves of. */
  readonly held = new HeldInMemory();
  /** What the server lets clients do that come from now on. */
  grant: Grant | undefined;
  readonly #options: WorldOptions;
  readonly clientDatabase = new LastingDatabase();
  readonly serverDatabase = new LastingDatabase();
  #server: { mirror: Mirror; stop: AbortController } | undefined;
  #links: Link[] = [];
  #ids = 0;
  #lastMirror: string | undefined;
  /** How often the client has found its root to be another. */
  doubts = 0;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.mirror = new MemoryFs(this.clock.nowNs, options.serverUser, options.mirrorDisk ?? steadyDisk);
  }

  [Symbol.dispose](): void {
    this.stopServer();
    this.clientDatabase.end();
    this.serverDatabase.end();
  }

  /** The problems that the client told, or the warnings that the server did, sorted. */
  told(what: "problem" | "warning"): string[] {
    const texts = what === "problem"
      ? this.clientEvents.flatMap((each) => each.event === "problem" ? [`${each.path}: ${each.message}`] : [])
      : this.serverEvents.flatMap((each) => each.event === "warning" ? [each.message] : []);
    return texts.sort();
  }

  /** Starts a server, as after a restart: only the disk and the index are what they were. */
  startServer(): void {
    const { clock } = this;
    const fs = this.#options.wrapMirror?.(this.mirror) ?? this.mirror;
    const mirror = new Mirror({
      fs,
      accounts: this.#options.mirrorAccounts ?? noAccounts,
      clock,
      emit: (event) => this.serverEvents.push(event),
      openIndex: () => this.serverDatabase.open(),
      removeIndex: () => this.serverDatabase.forget(),
      randomId: () => `00000000-0000-4000-8000-${String(++this.#ids).padStart(12, "0")}`,
      fsync: true,
      history: this.#options.history ?? { days: 30 },
      name: "there:/mirror",
    });
    const { onCommit } = this.#options;
    if (onCommit) {
      const commit = mirror.commit.bind(mirror);
      mirror.commit = async (steps, ...rest) => {
        const acknowledged = onCommit(steps);
        const result = await commit(steps, ...rest);
        acknowledged(result.problems);
        return result;
      };
    }
    mirror.recover();
    this.#server = { mirror, stop: new AbortController() };
  }

  /** Whether a server runs. */
  get serves(): boolean {
    return this.#server !== undefined;
  }

  stopServer(): void {
    this.#server?.stop.abort();
    this.#server?.mirror[Symbol.dispose]();
    this.cut();
    this.#server?.mirror[Symbol.dispose]();
    this.#server = undefined;
  }

  /** Cuts all connections. */
  cut(): void {
    for (const link of this.#links.splice(0)) link.close();
  }

  /** Throws an index away, as if the state folder or the private folder had been deleted. */
  forgetClient(): void {
    this.clientDatabase.forget();
  }

  /** An engine for the source. */
  engine(signal: AbortSignal, options: Partial<EngineOptions> = {}): Engine {
    const { clock, dirty } = this;
    return new Engine({
      source: { source: "here:/source", sourceId: "00000000-0000-4000-8000-000000000002", dryRun: false },
      server: "there",
      once: false,
      updatemaxMs: this.#options.updatemaxMs,
      everyChange: true,
      rules: new IgnoreRules(this.#options.exclude),
      xattrs: this.#options.xattrs ?? false,
      maxDelete: this.#options.maxDelete ?? { percent: 50 },
      ...options,
    }, {
      fs: this.#options.wrapSource?.(this.source) ?? this.source,
      accounts: this.#options.sourceAccounts ?? noAccounts,
      clock,
      prng: () => 0.5,
      emit: (event) => this.clientEvents.push(event),
      dirty,
      doubtRoot: () => this.doubts++,
      dial: () => this.dial(),
      overlap: () => undefined,
      lastMirror: () => this.#lastMirror,
      openIndex: (mirrorId) => {
        this.#lastMirror = mirrorId;
        return this.clientDatabase.open();
      },
      removeIndex: () => this.clientDatabase.forget(),
      heldRecords: () => this.held,
      secondThread: () => hasherOf(this.source),
      signal,
    });
  }

  /** Runs `client --once`. @returns Its exit status. */
  once(options: Partial<EngineOptions> = {}): Promise<number> {
    if (!this.#server) this.startServer();
    return this.clock.until(this.engine(new AbortController().signal, { ...options, once: true }).run());
  }

  /** Runs a live client. @returns Stops it. */
  live(): () => Promise<number> {
    if (!this.#server) this.startServer();
    const stop = new AbortController();
    const running = this.engine(stop.signal).run();
    return () => {
      stop.abort();
      return this.clock.until(running);
    };
  }

  /** Opens a connection to the server. */
  dial(): Promise<Link> {
    const server = this.#server;
    if (!server) return Promise.reject(new DisconnectedError("nothing listens there"));
    const [near, far] = (this.#options.join ?? pipe)();
    this.#links.push(near, far);
    const emit = (event: SyncEvent) => this.serverEvents.push(event);
    const { clock } = this;
    serve(far, {
      mirror: server.mirror,
      clock,
      emit,
      signal: server.stop.signal,
      name: "mirror",
      average: this.#options.average ?? 0,
      fsync: true,
      everyChange: true,
      grant: this.grant,
      secondThread: () => hasherOf(this.mirror),
    });
    const { rate } = this.#options;
    if (rate === undefined) return Promise.resolve(near);
    const [nearest, buffer] = pipe();
    relay(buffer, throttled(near, rate, clock));
    return Promise.resolve(nearest);
  }
}
