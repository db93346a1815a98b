// Ends the connections of clients that are not to be here any more: revoked, expired, or such that nobody can tell. Notes of the
// others that they are here.

import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import type { Emit } from "../core/events.ts";
import { type Clients, isExpired, type KnownClient } from "./clients.ts";
import type { Connected } from "./connections.ts";

/** What it works with. */
export interface KeepOutDeps {
  readonly clients: Pick<Clients, "get" | "used">;
  /** The connections that were let in with a token. */
  readonly sessions: () => Iterable<Connected>;
  readonly clock: Clock;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/** It is looked so often (ms). */
const LOOK_MS = 500;
/** When a client was here last is noted this often (ms). */
const NOTE_MS = 60_000;

/** Looks until `signal` is aborted. */
export async function keepOut({ clients, sessions, clock, emit, signal }: KeepOutDeps): Promise<void> {
  let noted = clock.now();
  for (;;) {
    await clock.sleep(LOOK_MS, signal);
    if (signal.aborted) return;
    const now = clock.now(), date = clock.date();
    const isToNote = now - noted >= NOTE_MS;
    if (isToNote) noted = now;
    for (const { client, cut } of sessions()) {
      let known: KnownClient | undefined;
      try {
        known = clients.get(client.id);
      } catch (error) {
        emit({
          event: "warning",
          message: `cannot read who may connect: ${reasonOf(error)}; "${client.name}" is cut off`,
        });
      }
      if (!known || isExpired(known, date)) cut();
      else if (isToNote) clients.used(client.id, date);
    }
  }
}
