// What happens in a simulation, as a list of things, each with randomness of its own: so that one can be left out and all others
// stay as they were, which is how a failure is made small.

import { pick, type Random, seeded } from "../support/seed.ts";

/** A machine. */
export type Side = "client" | "server";

/** One thing that happens. */
export type Action =
  /** The user does `count` random things to the source, all at once. */
  | { readonly do: "user"; readonly seed: number; readonly count: number }
  /** The same, in the middle of the client's work: just before the call of the source's file system that is so many calls away. */
  | { readonly do: "busy"; readonly seed: number; readonly count: number; readonly calls: number }
  /** The user writes to a file just as the client reads it: before so many further reads. */
  | { readonly do: "write"; readonly seed: number; readonly reads: number }
  /** Somebody else works in the mirror's directory. */
  | { readonly do: "meddle"; readonly seed: number }
  | { readonly do: "pass"; readonly ms: number }
  /** Both machines' clocks are set, back or forth. */
  | { readonly do: "clock"; readonly ms: number }
  /** The network breaks, and can be used again at once. */
  | { readonly do: "cut" }
  /** Nothing arrives for so long. */
  | { readonly do: "stall"; readonly ms: number }
  /** Connections from now on are like this; `piece` is the most bytes that arrive at once, 0 for no such limit. */
  | { readonly do: "weather"; readonly latencyMs: number; readonly piece: number }
  /** A process is stopped as Ctrl+C does it, and started again. */
  | { readonly do: "restart"; readonly side: Side }
  /** A process is killed, or its machine loses power, when it has made so many calls that change the disk. */
  | {
    readonly do: "crash";
    readonly side: Side;
    readonly power: boolean;
    readonly calls: number;
    readonly seed: number;
  }
  /** After so many calls of the file system, or so many of one kind, one or more fail. */
  | {
    readonly do: "fault";
    readonly side: Side;
    readonly calls: number;
    readonly times: number;
    readonly code: Fault;
    readonly of?: string;
  }
  /** The source's drive goes; what is left is no directory, an empty one, or one with a few files of its own. It comes back after a while. */
  | { readonly do: "unmount"; readonly leaves: "nothing" | "an empty directory" | "a few files"; readonly ms: number }
  /** A private folder, or a state folder, is deleted while its process does not run. */
  | { readonly do: "forget"; readonly side: Side };

/** What a failing call says. */
export const FAULTS = ["ENOSPC", "EIO", "EACCES", "EMFILE", "EROFS"] as const;
/** One of these. */
export type Fault = typeof FAULTS[number];

/** Calls of which one may fail where hardly any other would. */
const FAILING = [
  "link",
  "rename",
  "renameNew",
  "exchange",
  "write",
  "sync",
  "syncDir",
  "createFile",
  "setMeta",
  "unlink",
  "readAt",
];
const HOUR_MS = 3_600_000;

/** Everything that happens in one simulation. */
export type Program = readonly Action[];

/** The program of a seed. */
export function programOf(seed: number): Program {
  const random = seeded(seed);
  const actions: Action[] = [{ do: "user", seed: random(2 ** 31), count: random(12) }];
  if (random(3) === 0) actions.unshift({ do: "meddle", seed: random(2 ** 31) });
  // So slow that much happens before the mirror is in step for the first time.
  if (seed % 8 === 0) actions.unshift({ do: "weather", latencyMs: 50, piece: 0 });
  for (let left = 2 + random(7); left > 0; left--) {
    actions.push(...action(random), { do: "pass", ms: pick(random, [0, 1, 5, 20, 100, 1000, 5000]) });
  }
  return actions;
}

function action(random: Random): Action[] {
  const seed = random(2 ** 31);
  const side = pick(random, ["client", "server", "server"] as const);
  switch (random(18)) {
    case 0:
    case 1:
      return [{ do: "user", seed, count: 5 + random(20) }];
    case 2:
      return [{ do: "cut" }];
    case 3:
      return [{ do: "stall", ms: pick(random, [10, 1000, 60_000]) }];
    case 4:
      return [{ do: "weather", latencyMs: pick(random, [0, 1, 50]), piece: pick(random, [0, 1, 100, 5000]) }];
    case 5:
      return [{ do: "restart", side }];
    case 6:
    case 7:
    case 8:
      return [
        { do: "user", seed, count: 1 + random(8) },
        { do: "crash", side, power: random(2) === 0, calls: random(60), seed: random(2 ** 31) },
      ];
    case 9:
      return [
        random(2) === 0 ? { do: "fault", side, calls: random(40), times: 1 + random(3), code: pick(random, FAULTS) } : {
          do: "fault",
          side,
          calls: random(4),
          times: 1 + random(2),
          code: pick(random, FAULTS),
          of: pick(random, FAILING),
        },
        { do: "user", seed, count: 1 + random(8) },
      ];
    case 11:
      return [
        { do: "busy", seed, count: 1 + random(3), calls: random(200) },
        { do: "user", seed: random(2 ** 31), count: 1 + random(8) },
      ];
    case 12: {
      const leaves = pick(random, ["nothing", "an empty directory", "a few files"] as const);
      return random(2) === 0 ? [{ do: "unmount", leaves, ms: pick(random, [10, 3000, 30_000]) }] : [{ do: "cut" }];
    }
    case 13:
      return [
        { do: "write", seed, reads: random(6) },
        { do: "user", seed: random(2 ** 31), count: 1 + random(8) },
      ];
    case 14:
      return [{ do: "clock", ms: pick(random, [-24 * HOUR_MS, -HOUR_MS, -1000, -1, 1000, HOUR_MS, 24 * HOUR_MS]) }];
    case 10:
      return random(3) === 0 ? [{ do: "forget", side }] : [{ do: "meddle", seed }];
    default:
      return [{ do: "user", seed, count: 1 + random(4) }];
  }
}
