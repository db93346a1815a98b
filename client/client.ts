// `dirsync client`: the main thread. It holds what a Worker cannot: the socket, the watcher; the engine runs in the Worker.

import { formatAddress, isLoopback } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { FatalError, reasonOf, RefusedError } from "../core/errors.ts";
import type { Emit } from "../core/events.ts";
import { EngineHost } from "../core/host.ts";
import type { Link } from "../core/link.ts";
import type { ClientOptions } from "../core/options.ts";
import { makePrivateFolder } from "../core/private_files.ts";
import { openState, sourceFolder } from "../core/state.ts";
import { Bell } from "./bell.ts";
import { Dialler } from "./dialler.ts";
import { findRoute } from "./route.ts";
import { relative } from "./relative.ts";
import { poll, POLL_MS, watch } from "./watch.ts";
import type { ClientNote, ClientRequest, ClientStart } from "./worker.ts";

/** What a client is given by main.ts. */
export interface ClientDeps {
  /** Where the engine runs: client/worker.ts, which may still be loading. */
  readonly worker: Worker;
  readonly emit: Emit;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** A token or an invitation from the environment. */
  readonly secret?: string;
}

/**
 * Runs a client until `signal` is aborted, or with `once` until the mirror is exact.
 * @returns The exit status.
 * @throws {FatalError} If it cannot start.
 */
export async function runClient(options: ClientOptions, deps: ClientDeps): Promise<number> {
  const { worker, emit, clock, signal, secret } = deps;
  const dir = realDirectory(options.dir);
  // Whatever is written here is private state.
  if (Deno.build.os !== "windows") Deno.umask(0o077);
  const state = makeState(options.state, dir);
  const route = findRoute({ ...options, state: state.top, ...(secret !== undefined && { secret }) });
  const server = formatAddress(route.address);
  const { once, dryRun, updatemaxMs, xattrs, numericIds, maxDelete, output, bwlimit } = options;
  const start: ClientStart = {
    dir,
    source: `${Deno.hostname()}:${dir}`,
    server,
    state: state.folder,
    once,
    dryRun,
    updatemaxMs,
    exclude: [...options.exclude, ...state.exclude],
    xattrs,
    numericIds,
    maxDelete,
    bwlimit,
    everyChange: output.json || output.verbose || dryRun,
  };
  await checkPatterns(options.exclude);
  emit({ event: "mirroring", dir, server });
  if (route.trust.kind === "plain" && !isLoopback(route.address.host)) {
    emit({
      event: "warning",
      message: `nothing protects the connection to ${server}: who is in between can read and change all`,
    });
  }
  const doubt = new Bell();
  const dialler = new Dialler(route, state.top, signal);
  // The first connection is made while the Worker loads, which will ask for it.
  let first: Promise<Link> | undefined = dialler.dial();
  first.catch(() => {});
  const host = new EngineHost<ClientStart, ClientNote, ClientRequest>(
    worker,
    start,
    emit,
    (request) => {
      if (request === "doubt root") return doubt.ring();
      (first ?? dialler.dial()).then((link) => host.link(link, undefined), (error) => host.note(noteOf(error)));
      first = undefined;
    },
  );
  const stopped = new AbortController();
  const stop = () => host.stop();
  signal.addEventListener("abort", stop);
  if (!once) watchOrPoll(dir, host, { emit, clock, signal: AbortSignal.any([signal, stopped.signal]), doubt });
  try {
    return await host.done;
  } finally {
    signal.removeEventListener("abort", stop);
    stopped.abort();
    host.terminate();
  }
}

type Host = EngineHost<ClientStart, ClientNote, ClientRequest>;

function watchOrPoll(
  dir: string,
  host: Host,
  { emit, clock, signal, doubt }: Pick<ClientDeps, "emit" | "clock" | "signal"> & { readonly doubt: Bell },
): void {
  const dirty = (paths: string[] | undefined) => host.note({ about: "dirty", paths });
  const often = `${POLL_MS / 1000} s`;
  const failed = async (reason: string) => {
    if (signal.aborted) return;
    emit({
      event: "warning",
      message: `cannot watch ${dir} (${reason}); the whole of it is looked at every ${often} instead`,
    });
    await poll(dirty, clock, signal);
  };
  const limited = (reason: string) => {
    const message = `cannot watch all of ${dir} (${reason}); what is not watched is looked at every ${often} instead`;
    emit({ event: "warning", message });
  };
  watch(dir, { dirty, failed, limited }, clock, signal, { doubt });
}

/** @throws {FatalError} If they cannot be read. */
async function checkPatterns(patterns: readonly string[]): Promise<void> {
  if (patterns.length === 0) return;
  const { IgnoreRules } = await import("../core/ignore.ts");
  try {
    new IgnoreRules(patterns);
  } catch (error) {
    throw new FatalError(`Cannot use --exclude: ${reasonOf(error)}`);
  }
}

function realDirectory(dir: string): string {
  let problem: string | undefined;
  try {
    if (!Deno.statSync(dir).isDirectory) problem = "it is not a directory";
    else return Deno.realPathSync(dir);
  } catch (error) {
    problem = reasonOf(error);
  }
  throw new FatalError(`Cannot mirror "${dir}": ${problem}`);
}

/** What the engine is told of a connection that could not be made. */
function noteOf(error: Error): ClientNote {
  const refused = error instanceof RefusedError, retry = !refused || error.retry;
  return { about: "dialled", refused, retry, reason: error.message };
}

/** Makes the folder for this source's state. @returns It, and what must not be mirrored for its sake. */
function makeState(wanted: string | undefined, dir: string): { top: string; folder: string; exclude: string[] } {
  try {
    const real = openState(wanted);
    const folder = makePrivateFolder(sourceFolder(real, dir));
    // In a source that holds it, it would change with every change that it notes.
    const inside = relative(dir, real);
    if (inside === "") throw new Error("the state folder must not be the source itself");
    return { top: real, folder, exclude: inside === undefined ? [] : [`/${inside.replace(/[\\*?[\]!# ]/g, "\\$&")}/`] };
  } catch (error) {
    throw new FatalError(`Cannot keep state: ${reasonOf(error)}`);
  }
}
