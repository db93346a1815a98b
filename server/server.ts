// `dirsync server`: the main thread. It holds the one port and who may come in; every connection that was let in goes to the
// Worker.

import { formatAddress, isLoopback } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { FatalError, reasonOf } from "../core/errors.ts";
import type { Emit } from "../core/events.ts";
import type { Grant } from "../core/grant.ts";
import { EngineHost } from "../core/host.ts";
import type { ServerOptions } from "../core/options.ts";
import { openAccess, tellWay } from "./access.ts";
import { Door } from "./door.ts";
import { keepOut } from "./keep_out.ts";
import { Port } from "./port.ts";
import type { ServerStart } from "./worker.ts";

/** What a server is given by main.ts. */
export interface ServerDeps {
  /** Where the engine runs: server/worker.ts, which may still be loading. */
  readonly worker: Worker;
  readonly emit: Emit;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Runs a server until `signal` is aborted.
 * @returns The exit status.
 * @throws {FatalError} If it cannot start.
 */
export async function runServer(options: ServerOptions, deps: ServerDeps): Promise<number> {
  const { worker, emit, clock, signal } = deps;
  const dir = makeDirectory(options.dir);
  const { host: hostname, output } = options;
  const access = await openAccess(options, dir, clock.date());
  const start: ServerStart = {
    dir,
    name: `${Deno.hostname()}:${dir}`,
    average: options.blocksize ?? 0,
    fsync: options.fsync,
    history: { days: options.historyDays, bytes: options.historyBytes },
    everyChange: output.json || output.verbose,
  };
  const host = new EngineHost<ServerStart, never, never, Grant | undefined>(worker, start, emit);
  const over = new AbortController();
  const ending = AbortSignal.any([signal, over.signal]);
  try {
    const loopback = isLoopback(hostname), { clients, identity } = access;
    const door = new Door({ clients, loopback, clock, emit, signal: ending });
    const port = new Port(door, identity, (link, client) => {
      if (client) clients!.used(client.id, clock.date());
      host.link(link, client);
    });
    const address = { host: hostname, port: await port.listen(hostname, options.port) };
    const protection = { tls: identity !== undefined, token: clients !== undefined };
    emit({ event: "listening", dir, address: formatAddress(address), loopback, ...protection });
    tellWay(access, options, address.port, emit, clock.date());
    if (clients) keepOut({ clients, sessions: () => port.sessions(), clock, emit, signal: ending });
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve());
    });
    await Promise.race([stopped, host.done]);
    port.stop();
    host.stop();
    const status = await host.done;
    port.close();
    return status;
  } finally {
    over.abort();
    access.clients?.[Symbol.dispose]();
    host.terminate();
  }
}

/** Makes the mirror's directory if there is none. @returns Its real path. */
function makeDirectory(dir: string): string {
  let problem: string;
  try {
    Deno.mkdirSync(dir, { recursive: true });
    if (Deno.statSync(dir).isDirectory) return Deno.realPathSync(dir);
    problem = "it is not a directory";
  } catch (error) {
    problem = error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory
      ? "it is not a directory"
      : reasonOf(error);
  }
  throw new FatalError(`Cannot mirror into "${dir}": ${problem}`);
}
