// What happens, told to a person or a program. The engines emit these and nothing else; core/report.ts prints them, or with
// `--json` writes each as one JSON object a line. Names in them are as they are; they are escaped where they are printed.

import type { Grant } from "./grant.ts";
import type { Kind } from "./types.ts";

/** How a path changed. */
export type ChangeKind = "create" | "update" | "delete" | "move" | "metadata";

/**
 * Why deletions are held: more than `--max-delete` allows; the source is another directory on another device than before, or is
 * missing; another source pushed to this mirror before.
 */
export const HELD_REASONS = ["too many", "another directory", "another source", "missing"] as const;
export type HeldReason = typeof HELD_REASONS[number];

/** What is held: counts are of entries. */
export interface Held {
  /** Name of the source, "host:/path". */
  readonly source: string;
  readonly reason: HeldReason;
  /** What is wrong with a source that is missing; of another source, the one before. */
  readonly detail: string;
  /** Entries that would be removed, with all that is below directories. */
  readonly deleted: number;
  /** Files that would become empty. */
  readonly emptied: number;
  /** Entries whose content would be another source's. */
  readonly replaced: number;
  /** Entries in the mirror. */
  readonly entries: number;
  /** Up to five of the paths. */
  readonly sample: readonly string[];
}

/** How it came that nothing is held any more: approved of; nothing is missing now; within `--max-delete` now. */
export const RELEASES = ["approved", "back", "allowed"] as const;
export type Release = typeof RELEASES[number];

/** One thing that happened. Byte counts are bytes, times are ms. */
export type SyncEvent =
  /** Server: ready. `address` is "host:port" as a client would write it; `loopback` = only this machine can reach it. */
  | { event: "listening"; dir: string; address: string; loopback: boolean; tls: boolean; token: boolean }
  /** An invitation, which is a secret: told once, where it was asked for, and at the first start of a server. */
  | ({ event: "invitation"; invitation: string; expires?: number } & Grant)
  /** One of those who may connect. Times are ms since the epoch. */
  | ({ event: "client"; created: number; expires?: number; lastUsed?: number } & Grant)
  | { event: "revoked"; name: string }
  /** Client: what will be mirrored to where. */
  | { event: "mirroring"; dir: string; server: string }
  /** Client: the server does not answer; said once until it does. */
  | { event: "waiting"; server: string; reason: string }
  /** Client: connected to the server's mirror. Server: a client (`peer` names it) has connected. */
  | { event: "connected"; peer: string }
  | { event: "disconnected"; peer: string; reason: string }
  /** A walk over a whole tree, or the first indexing of a mirror, has begun. */
  | { event: "scanning"; dir: string }
  /** Client: progress of one cycle; totals are known once the walk has ended. */
  | { event: "progress"; entries: number; entriesTotal?: number; bytes: number; bytesTotal?: number; elapsedMs: number }
  /** One path of the mirror changed (client: has been acknowledged; server: has been committed). In a dry run: would. */
  | { event: "change"; change: ChangeKind; kind: Kind; path: string; from?: string; size?: number }
  /** Many paths changed in one commit, too many to name without --verbose. */
  | {
    event: "changes";
    created: number;
    updated: number;
    deleted: number;
    moved: number;
    metadata: number;
    bytes: number;
  }
  /** Client: the mirror is equal to the source (but for `problems` paths). `sent` = bytes on the wire since last time. */
  | {
    event: "synced";
    entries: number;
    changed: number;
    sent: number;
    elapsedMs: number;
    problems: number;
    /** Entries that are held. */
    held: number;
    verified: boolean;
  }
  /** The brake: nothing is deleted until it is approved of or over. Said once, and again when it is twice as much. */
  | { event: "held" } & Held
  | { event: "released"; source: string; how: Release }
  /** `dirsync approve`: what was held is approved of, for one mirror; null if nothing is held. */
  | { event: "approved"; dir: string; held: Held | null }
  /** Client, dry run: the changes told are all that would be made. */
  | { event: "planned"; changes: number; problems: number }
  | { event: "problem"; path: string; message: string }
  /** A problem that was told is over. */
  | { event: "solved"; path: string }
  /** Something a person should know, not tied to a path. */
  | { event: "warning"; message: string }
  /** Detail for --verbose. */
  | { event: "detail"; message: string }
  | { event: "stopped" };

/** Takes events. */
export type Emit = (event: SyncEvent) => void;

/** A change of one path. */
export type Change = Omit<SyncEvent & { event: "change" }, "event">;

/** More changes than this at once are told as a sum. */
const NAMED_CHANGES = 20;

/** Tells what one commit changed: each change, or if they are many and not `every` one is wanted, their sum. */
export function tellChanges(changes: readonly Change[], emit: Emit, every: boolean): void {
  if (every || changes.length <= NAMED_CHANGES) {
    for (const change of changes) emit({ event: "change", ...change });
    return;
  }
  const count = (kind: ChangeKind) => changes.filter(({ change }) => change === kind).length;
  emit({
    event: "changes",
    created: count("create"),
    updated: count("update"),
    deleted: count("delete"),
    moved: count("move"),
    metadata: count("metadata"),
    bytes: changes.reduce((sum, { size = 0 }) => sum + size, 0),
  });
}
