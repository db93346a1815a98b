// Two ends joined in memory, so far from each other that all takes its time; as much as may be is under way.

import type { Clock } from "../../core/clock.ts";
import { type Link, pipe } from "../../core/link.ts";

/** Two ends; what is sent arrives `latencyMs` later. */
export function farPipe(latencyMs: number, clock: Clock): [Link, Link] {
  const [near, hither] = pipe(), [thither, far] = pipe();
  carry(hither, thither, latencyMs, clock);
  carry(thither, hither, latencyMs, clock);
  return [near, far];
}

async function carry(from: Link, to: Link, latencyMs: number, clock: Clock): Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  try {
    for (let bytes = await from.receive(); bytes; bytes = await from.receive()) {
      const sent = bytes.slice(), before = last;
      last = Promise.all([before, clock.sleep(latencyMs)]).then(() => to.send(sent));
      last.catch(() => {});
    }
    await last;
  } catch {
    // Broken: the other end learns of it.
  }
  to.close();
}
