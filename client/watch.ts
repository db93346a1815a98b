// The watcher: hints at what may have changed. Never the truth: kinds are unreliable, files in fresh directories are missed,
// a full queue may drop events. The scan decides; here it is only made sure that a hint comes soon, and few at a time.

import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import type { Libc } from "../core/libc.ts";
import { ownCalls } from "../core/open_fs.ts";
import { Bell } from "./bell.ts";
import { Inotify, isOutOfWatches } from "./inotify.ts";
import { relative } from "./relative.ts";
import { ROOT_LOOK_MS } from "./source_root.ts";
import { TreeWatch, type Watches } from "./tree_watch.ts";

/** Hints that come within this time of each other travel together (ms); the first of a quiet time travels at once. */
const TOGETHER_MS = 5;

/** As many watches as a system should allow, at least: a watch takes about a KiB, and only where there is a directory. */
const MANY_WATCHES = 1 << 20;

/** Where watching is not possible, the whole source is looked at this often (ms). */
export const POLL_MS = 10_000;

/** Where hints go. */
export interface WatchTarget {
  /** These paths below the root, "/" between names, may have changed; undefined: anything may have. */
  readonly dirty: (paths: string[] | undefined) => void;
  /** Watching is not possible, or not any more. */
  readonly failed: (reason: string) => void;
  /** Some of it cannot be watched, and is said to have changed every `POLL_MS`. Told once. */
  readonly limited: (reason: string) => void;
}

/** What of the system's watches there is to be had. */
type Limit = (inotify: Inotify) => Watches;

/** How a directory is watched. */
export interface WatchOptions {
  /** For tests. */
  readonly limit?: Limit;
  /** Rung by whoever doubts that the root that is watched is the one that is there: it is looked at at once. */
  readonly doubt?: Bell;
}

/**
 * Watches the directory `dir` (absolute, real) and all below it until `signal` is aborted. Events count from the call on. When
 * it is unmounted, moved or replaced, which the watcher may tell at once or never, what comes to its place is watched then; that
 * anything may have changed is said each time.
 * @returns Resolves at the end.
 */
export async function watch(
  dir: string,
  target: WatchTarget,
  clock: Clock,
  signal: AbortSignal,
  { limit = (inotify) => inotify, doubt = new Bell() }: WatchOptions = {},
): Promise<void> {
  const hints = new Gathered(target, clock, signal);
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    // Looked at and watched in one go the first time: whoever calls counts on it.
    const root = isFirst ? lookNow(dir) : await look(dir);
    if (root === undefined) {
      await clock.sleep(ROOT_LOOK_MS, signal);
      continue;
    }
    const failure = await watchRoot(dir, { hints, clock, signal, root, isFirst, limit, doubt });
    if (signal.aborted) return;
    if (failure !== undefined && await look(dir) === root) {
      return target.failed(isOutOfWatches(failure) ? whyNot() : reasonOf(failure));
    }
    hints.add(undefined);
  }
}

/** How one root is watched. */
interface RootWatch extends Required<WatchOptions> {
  readonly hints: Gathered;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly root: string;
  readonly isFirst: boolean;
}

/** Watches the root that is there now until it is there no more. @returns Why it cannot be watched, if so. */
async function watchRoot(dir: string, options: RootWatch): Promise<unknown> {
  const { hints, clock, signal, root, isFirst, limit, doubt } = options;
  const lost = new AbortController(), over = AbortSignal.any([signal, lost.signal]);
  const watching = begin(dir, hints, clock, over, limit).catch((error) => error).finally(() => lost.abort());
  // What happened before it was watched nobody has told.
  if (!isFirst) hints.add(undefined);
  while (!over.aborted) {
    const waiting = new AbortController();
    await Promise.race([clock.sleep(ROOT_LOOK_MS, AbortSignal.any([over, waiting.signal])), doubt.heard()]);
    waiting.abort();
    if (!over.aborted && await look(dir) !== root) lost.abort();
  }
  return await watching;
}

/** Which directory is at `dir`; undefined if none is, or it cannot be looked at. Whatever hangs, this thread does not. */
async function look(dir: string): Promise<string | undefined> {
  return idOf(await Deno.lstat(dir).catch(() => undefined));
}

function lookNow(dir: string): string | undefined {
  try {
    return idOf(Deno.lstatSync(dir));
  } catch {
    return undefined;
  }
}

function idOf(found: Deno.FileInfo | undefined): string | undefined {
  return found?.isDirectory ? `${found.dev} ${found.ino}` : undefined;
}

/** Begins to watch the root that is there now. @returns Resolves when it is no more, or `signal` is aborted. */
async function begin(dir: string, hints: Gathered, clock: Clock, signal: AbortSignal, limit: Limit): Promise<void> {
  const libc = ownCalls();
  await (libc ? byInotify(dir, libc, hints, clock, signal, limit) : byDeno(dir, hints, clock, signal));
}

function byInotify(
  dir: string,
  libc: Libc,
  hints: Gathered,
  clock: Clock,
  signal: AbortSignal,
  limit: Limit,
): Promise<void> {
  const inotify = new Inotify(dir, libc);
  const stop = () => inotify[Symbol.dispose]();
  // It is watched from here on; what comes meanwhile waits in the queue.
  const tree = new TreeWatch(limit(inotify));
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  return (async () => {
    const over = new AbortController();
    const rest = new Rest(tree, hints, clock, AbortSignal.any([signal, over.signal]));
    try {
      rest.look();
      for await (const batch of inotify.batches()) {
        hints.add(tree.take(batch));
        if (tree.isRootLost) return;
        rest.look();
      }
    } finally {
      over.abort();
    }
  })();
}

/** What of a tree cannot be watched, as there are no more watches: it is looked at now and then, until there are. */
class Rest {
  #isPolled = false;

  constructor(
    readonly tree: TreeWatch,
    readonly hints: Gathered,
    readonly clock: Clock,
    readonly signal: AbortSignal,
  ) {}

  /** Begins to look at it, if there is such. */
  look(): void {
    if (this.#isPolled || !this.tree.isPartial) return;
    this.#isPolled = true;
    this.hints.limited();
    this.#poll();
  }

  async #poll(): Promise<void> {
    while (this.tree.isPartial) {
      await this.clock.sleep(POLL_MS, this.signal);
      if (this.signal.aborted) return;
      this.hints.add(this.tree.retry());
    }
    this.#isPolled = false;
  }
}

/** Deno's watcher, wherever we have none of our own. On Linux it goes deaf unsaid, so there the tree is polled besides. */
async function byDeno(dir: string, hints: Gathered, clock: Clock, signal: AbortSignal): Promise<void> {
  using watcher = Deno.watchFs(dir, { recursive: true });
  const stop = () => watcher.close();
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  if (Deno.build.os === "linux") poll((paths) => hints.add(paths), clock, signal);
  for await (const event of watcher) {
    if (event.flag === "rescan") hints.add(undefined);
    if (event.kind === "access") continue;
    hints.add(event.paths.map((path) => relative(dir, path)).filter((path) => path !== undefined));
  }
}

/** Says now and then that anything may have changed. */
export async function poll(dirty: WatchTarget["dirty"], clock: Clock, signal: AbortSignal): Promise<void> {
  for (;;) {
    await clock.sleep(POLL_MS, signal);
    if (signal.aborted) return;
    dirty(undefined);
  }
}

/** Hints that wait to travel together. */
class Gathered {
  readonly #target: WatchTarget;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #paths = new Set<string>();
  #lastAt = -Infinity;
  #waiting = false;
  #isLimited = false;

  constructor(target: WatchTarget, clock: Clock, signal: AbortSignal) {
    this.#target = target;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** Paths that may have changed; undefined: anything may have. */
  add(paths: Iterable<string> | undefined): void {
    if (!paths) return this.#target.dirty(undefined);
    for (const path of paths) this.#paths.add(path);
    if (this.#paths.size === 0 || this.#waiting) return;
    if (this.#clock.now() - this.#lastAt >= TOGETHER_MS) return this.#send();
    this.#waiting = true;
    this.#clock.sleep(TOGETHER_MS, this.#signal).then(() => this.#send());
  }

  /** Some of it cannot be watched. */
  limited(): void {
    if (!this.#isLimited) this.#target.limited(whyNot());
    this.#isLimited = true;
  }

  #send(): void {
    this.#lastAt = this.#clock.now();
    this.#waiting = false;
    this.#target.dirty([...this.#paths]);
    this.#paths = new Set();
  }
}

/** What to do where there are no more watches. */
function whyNot(): string {
  const wanted = Math.max(MANY_WATCHES, 2 * watchesAllowed());
  return `the system allows no more watches; this raises them: sudo sysctl fs.inotify.max_user_watches=${wanted}`;
}

function watchesAllowed(): number {
  try {
    return Number(Deno.readTextFileSync("/proc/sys/fs/inotify/max_user_watches"));
  } catch {
    return 0;
  }
}
