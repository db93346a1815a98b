// A link that sends no faster than it may (--bwlimit): a token bucket over what goes out.

import type { Clock } from "./clock.ts";
import type { Link } from "./link.ts";

/** What was not used of the last so many ms may be made up for at once. */
const BURST_MS = 100;
/** Bytes go out in portions that take about so long (ms), none of which is larger than so many bytes. */
const PORTION_MS = 25;
const LARGEST_PORTION = 256 << 10;

/** `link`, which sends at most `rate` bytes a second. */
export function throttled(link: Link, rate: number, clock: Clock): Link {
  const portion = Math.max(1, Math.min(LARGEST_PORTION, Math.floor(rate * PORTION_MS / 1000)));
  /** When all that has gone out would have gone out at the rate (ms). */
  let due = clock.now();
  const closed = new AbortController();
  const send = async (bytes: Uint8Array<ArrayBuffer>): Promise<void> => {
    for (let at = 0; at < bytes.length; at += portion) {
      const part = bytes.slice(at, at + portion);
      due = Math.max(due, clock.now() - BURST_MS);
      const early = due - clock.now();
      // A link that is closed says so itself.
      if (early > 0) await clock.sleep(Math.ceil(early), closed.signal);
      due += part.length * 1000 / rate;
      await link.send(part);
    }
  };
  let last: Promise<void> = Promise.resolve();
  return {
    send: (bytes) => last = last.then(() => send(bytes)),
    receive: () => link.receive(),
    close: () => {
      closed.abort();
      link.close();
    },
  };
}
