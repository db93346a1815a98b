// The watcher: hints at what may have changed. Never the truth: kinds are unreliable, files in fresh directories are missed,
// a full queue may drop events. The scan decides; here it is only made sure that a hint comes soon, and few at a time.

import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import type { Libc } from "../core/libc.ts";
import { ownCalls } from "../core/open_fs.ts";
import { Inotify, isOutOfWatches } from "./inotify.ts";
import { TreeWatch } from "./tree_watch.ts";

/** Hints that come within this time of each other travel together (ms); the first of a quiet time travels at once. */
const TOGETHER_MS = 5;

/** Where watching is not possible, the whole source is looked at this often (ms). */
export const POLL_MS = 10_000;

/** Where hints go. */
export interface WatchTarget {
  /** These paths below the root, "/" between names, may have changed; undefined: anything may have. */
  readonly dirty: (paths: string[] | undefined) => void;
  /** Watching is not possible, or not any more. */
  readonly failed: (reason: string) => void;
}

/** Watches the directory `dir` (absolute, real) and all below it until `signal` is aborted. Events count from the return on. */
export function watch(dir: string, target: WatchTarget, clock: Clock, signal: AbortSignal): void {
  const libc = ownCalls();
  const hints = new Gathered(target, clock, signal);
  try {
    const ended = libc ? byInotify(dir, libc, hints, signal) : byDeno(dir, hints, clock, signal);
    ended.catch((error) => target.failed(whyNot(error)));
  } catch (error) {
    target.failed(whyNot(error));
  }
}

function byInotify(dir: string, libc: Libc, hints: Gathered, signal: AbortSignal): Promise<void> {
  const inotify = new Inotify(dir, libc);
  const stop = () => inotify[Symbol.dispose]();
  // It is watched from here on; what comes meanwhile waits in the queue.
  const tree = new TreeWatch(inotify);
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  return (async () => {
    for await (const batch of inotify.batches()) hints.add(tree.take(batch));
  })();
}

/** Deno's watcher, wherever we have none of our own. On Linux it goes deaf unsaid, so there the tree is polled besides. */
function byDeno(dir: string, hints: Gathered, clock: Clock, signal: AbortSignal): Promise<void> {
  const watcher = Deno.watchFs(dir, { recursive: true });
  const stop = () => watcher.close();
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  if (Deno.build.os === "linux") poll((paths) => hints.add(paths), clock, signal);
  return (async () => {
    for await (const event of watcher) {
      if (event.flag === "rescan") hints.add(undefined);
      if (event.kind === "access") continue;
      hints.add(event.paths.map((path) => relative(dir, path)).filter((path) => path !== undefined));
    }
  })();
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

  #send(): void {
    this.#lastAt = this.#clock.now();
    this.#waiting = false;
    this.#target.dirty([...this.#paths]);
    this.#paths = new Set();
  }
}

function whyNot(error: unknown): string {
  if (!isOutOfWatches(error)) return reasonOf(error);
  return "the system allows no more watches; raise them with sysctl fs.inotify.max_user_watches=1048576";
}

/** The path below `dir` of an absolute path, "/" between names; undefined if it is not below. */
export function relative(dir: string, path: string, windows = Deno.build.os === "windows"): string | undefined {
  if (path === dir) return "";
  const root = /[/\\]$/.test(dir) ? dir : dir + (windows ? "\\" : "/");
  if (!path.startsWith(root)) return undefined;
  const below = path.slice(root.length);
  return windows ? below.replaceAll("\\", "/") : below;
}
