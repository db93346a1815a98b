// `dirsync client`: the main thread. It holds what a Worker cannot: the socket, the watcher; the engine runs in the Worker.

import { formatAddress } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { FatalError, reasonOf, RefusedError } from "../core/errors.ts";
import type { Emit } from "../core/events.ts";
import { EngineHost } from "../core/host.ts";
import { IgnoreRules } from "../core/ignore.ts";
import type { ClientOptions } from "../core/options.ts";
import { sourceFolder, stateFolderOf } from "../core/state.ts";
import { dial } from "./dial.ts";
import { poll, POLL_MS, relative, watch } from "./watch.ts";
import type { ClientNote, ClientRequest, ClientStart } from "./worker.ts";

/** What a client is given by main.ts. */
export interface ClientDeps {
  readonly emit: Emit;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Runs a client until `signal` is aborted, or with `once` until the mirror is exact.
 * @returns The exit status.
 * @throws {FatalError} If it cannot start.
 */
export async function runClient(options: ClientOptions, { emit, clock, signal }: ClientDeps): Promise<number> {
  const dir = realDirectory(options.dir);
  const state = makeState(options.state, dir);
  const server = formatAddress(options.server);
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
  try {
    new IgnoreRules(start.exclude);
  } catch (error) {
    throw new FatalError(`Cannot use --exclude: ${reasonOf(error)}`);
  }
  emit({ event: "mirroring", dir, server });
  const answer = (error: unknown) =>
    host.note({ about: "dialled", refused: error instanceof RefusedError, reason: (error as Error).message });
  const host = new EngineHost<ClientStart, ClientNote, ClientRequest>(
    new URL("./worker.ts", import.meta.url),
    start,
    emit,
    () => dial(options.server, signal).then((link) => host.link(link), answer),
  );
  const stopped = new AbortController();
  const stop = () => host.stop();
  signal.addEventListener("abort", stop);
  if (!once) watchOrPoll(dir, host, emit, clock, AbortSignal.any([signal, stopped.signal]));
  try {
    return await host.done;
  } finally {
    signal.removeEventListener("abort", stop);
    stopped.abort();
    host.terminate();
  }
}

type Host = EngineHost<ClientStart, ClientNote, ClientRequest>;

function watchOrPoll(dir: string, host: Host, emit: Emit, clock: Clock, signal: AbortSignal): void {
  const dirty = (paths: string[] | undefined) => host.note({ about: "dirty", paths });
  const failed = async (reason: string) => {
    if (signal.aborted) return;
    const often = `${POLL_MS / 1000} s`;
    emit({
      event: "warning",
      message: `cannot watch ${dir} (${reason}); the whole of it is looked at every ${often} instead`,
    });
    await poll(dirty, clock, signal);
  };
  watch(dir, { dirty, failed }, clock, signal);
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

/** Makes the folder for this source's state. @returns It, and what must not be mirrored for its sake. */
function makeState(wanted: string | undefined, dir: string): { folder: string; exclude: string[] } {
  try {
    const top = stateFolderOf(wanted);
    Deno.mkdirSync(top, { recursive: true, mode: 0o700 });
    const real = Deno.realPathSync(top);
    const folder = sourceFolder(real, dir);
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    // In a source that holds it, it would change with every change that it notes.
    const inside = relative(dir, real);
    if (inside === "") throw new Error("the state folder must not be the source itself");
    return { folder, exclude: inside === undefined ? [] : [`/${inside.replace(/[\\*?[\]!# ]/g, "\\$&")}/`] };
  } catch (error) {
    throw new FatalError(`Cannot keep state: ${reasonOf(error)}`);
  }
}
