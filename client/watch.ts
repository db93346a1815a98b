// The watcher: hints at what may have changed. Never the truth: kinds are unreliable, files in fresh directories are missed,
// a full queue may drop events. The scan decides; here it is only made sure that a hint comes soon, and few at a time.

import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";

/** Hints that come within this time of each other travel together (ms); the first of a quiet time travels at once. */
const TOGETHER_MS = 5;

/** Where hints go. */
export interface WatchTarget {
  /** These paths below the root, "/" between names, may have changed; undefined: anything may have. */
  readonly dirty: (paths: string[] | undefined) => void;
  /** Watching is not possible, or not any more. */
  readonly failed: (reason: string) => void;
}

/** Watches the directory `dir` (absolute, real) and all below it until `signal` is aborted. Events count from the return on. */
export function watch(dir: string, target: WatchTarget, clock: Clock, signal: AbortSignal): void {
  let watcher: Deno.FsWatcher;
  try {
    watcher = Deno.watchFs(dir, { recursive: true });
  } catch (error) {
    target.failed(reasonOf(error));
    return;
  }
  const stop = () => watcher.close();
  if (signal.aborted) return stop();
  signal.addEventListener("abort", stop);
  pass(watcher, dir, target, clock, signal).catch((error) => target.failed(reasonOf(error)));
}

async function pass(
  watcher: Deno.FsWatcher,
  dir: string,
  target: WatchTarget,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let paths = new Set<string>();
  let lastAt = -Infinity;
  let waiting = false;
  const send = () => {
    lastAt = clock.now();
    waiting = false;
    target.dirty([...paths]);
    paths = new Set();
  };
  for await (const event of watcher) {
    if (event.flag === "rescan") target.dirty(undefined);
    if (event.kind === "access") continue;
    for (const path of event.paths) {
      const below = relative(dir, path);
      if (below !== undefined) paths.add(below);
    }
    if (paths.size === 0 || waiting) continue;
    if (clock.now() - lastAt >= TOGETHER_MS) send();
    else {
      waiting = true;
      clock.sleep(TOGETHER_MS, signal).then(send);
    }
  }
}

/** The path below `dir` of an absolute path, "/" between names; undefined if it is not below. */
export function relative(dir: string, path: string, windows = Deno.build.os === "windows"): string | undefined {
  if (path === dir) return "";
  const root = /[/\\]$/.test(dir) ? dir : dir + (windows ? "\\" : "/");
  if (!path.startsWith(root)) return undefined;
  const below = path.slice(root.length);
  return windows ? below.replaceAll("\\", "/") : below;
}
