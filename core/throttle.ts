// A link that sends no faster than it may (--bwlimit): a token bucket over what goes out.

import type { Clock } from "./clock.ts";
import { DisconnectedError } from "./errors.ts";
import { type Link, Window } from "./link.ts";

/** What was not used of the last so many ms may be made up for at once. */
const BURST_MS = 100;
/** Bytes go out in portions that take about so long (ms), none of which is larger than so many bytes. */
const PORTION_MS = 25;
const LARGEST_PORTION = 256 << 10;
/** What takes so long (ms) waits here before whoever sends waits, so that the next is made ready meanwhile. */
const WAITING_MS = 250;

/** `link`, which sends at most `rate` bytes a second. */
export function throttled(link: Link, rate: number, clock: Clock): Link {
  const portion = Math.max(1, Math.min(LARGEST_PORTION, Math.floor(rate * PORTION_MS / 1000)));
  const window = new Window(rate * WAITING_MS / 1000);
  const closed = new AbortController();
  const ended = new Promise<void>((resolve) => closed.signal.addEventListener("abort", () => resolve()));
  /** When all that has gone out would have gone out at the rate (ms). */
  let due = clock.now();
  let last: Promise<void> = Promise.resolve();
  const pass = async (bytes: Uint8Array<ArrayBuffer>): Promise<void> => {
    for (let at = 0; at < bytes.length; at += portion) {
      const part = bytes.slice(at, at + portion);
      due = Math.max(due, clock.now() - BURST_MS);
      const early = due - clock.now();
      if (early > 0) await clock.sleep(Math.ceil(early), closed.signal);
      due += part.length * 1000 / rate;
      const sending = link.send(part);
      sending?.catch(() => {});
      // What was sent before the end still arrives: it goes out at once.
      await Promise.race([sending, ended]);
      window.release(Math.min(portion, bytes.length - at));
    }
  };
  return {
    send: (bytes) => {
      const room = window.add(bytes.length);
      last = last.then(() => pass(bytes));
      last.catch((error) => window.fail(error));
      return room;
    },
    receive: () => link.receive(),
    close: () => {
      closed.abort();
      window.fail(new DisconnectedError("The connection is closed"));
      last.catch(() => {}).then(() => link.close());
    },
  };
}
