// The journal: which steps the commit under way consists of, on the disk before the first of them is carried out. After a crash
// they are all carried out again (each may have been already); a journal that was not written to its end means that none was.

import { createHash } from "node:crypto";
import { type FileSystem, removeTree } from "../core/fs.ts";
import type { RelPath } from "../core/path.ts";
import type { Step } from "../core/types.ts";
import type { Stamp } from "./history_log.ts";
import { journalOf } from "./journal_form.ts";
import { JOURNAL, PRIVATE_DIR } from "./places.ts";

/**
 * A step of a commit. A file's says where it was staged and with which inode number: what else is found there is what the file has
 * replaced, and must not be lost. `was` is the inode number of what is renamed or removed, and its time
 * unless it is a directory, as far as they were known before the commit: by these it can be told after a crash whether that has
 * been done (the number alone may have gone to another file by then). `had` is where what is dropped was before.
 */
export type CommitStep =
  & (Exclude<Step, { op: "file" }> | (Extract<Step, { op: "file" }> & { readonly at: RelPath; readonly ino?: bigint }))
  & { readonly was?: Was; readonly had?: RelPath };

/** What an entry can be known again by. */
export interface Was {
  readonly ino: bigint;
  readonly mtimeNs?: bigint;
}

/** A commit that is about to be made. */
export interface Journal {
  /** Its time, which is that of what it puts into the history. */
  readonly stamp: Stamp;
  readonly steps: readonly CommitStep[];
}

/** Writes what is about to be done. On return it is on the disk, if `fsync`. */
export function writeJournal(fs: FileSystem, journal: Journal, fsync: boolean): void {
  const text = JSON.stringify(journal, (_, value) => typeof value === "bigint" ? { ns: String(value) } : value);
  const bytes = new TextEncoder().encode(`${createHash("sha256").update(text).digest("hex")}\n${text}`);
  removeTree(fs, JOURNAL);
  using file = fs.createFile(JOURNAL, 0o600);
  file.write(bytes);
  if (!fsync) return;
  file.sync();
  fs.syncDir(PRIVATE_DIR);
}

/**
 * Makes sure that a journal which was found is on the disk: whoever wrote it may not have come to that. A power cut that took it would leave
 * half of what it says, and what had been replaced in the stage, which is cleared.
 */
export function keepJournal(fs: FileSystem): void {
  using file = fs.appendTo(JOURNAL, 0o600);
  file.sync();
  fs.syncDir(PRIVATE_DIR);
}

/** Forgets it: everything in it is done and durable. */
export function clearJournal(fs: FileSystem): void {
  removeTree(fs, JOURNAL);
}

/** What was about to be done when the server stopped; undefined where that cannot be told. */
export function readJournal(fs: FileSystem): Journal | undefined {
  const stat = fs.lstat(JOURNAL);
  if (stat?.kind !== "file") return undefined;
  const bytes = new Uint8Array(stat.size);
  using file = fs.openFile(JOURNAL);
  file.readAt(0, bytes);
  return decodeJournal(bytes);
}

/** The journal with these bytes; undefined where they are not exactly one. */
export function decodeJournal(bytes: Uint8Array): Journal | undefined {
  const text = new TextDecoder().decode(bytes);
  const body = text.slice(65);
  if (createHash("sha256").update(body).digest("hex") !== text.slice(0, 64)) return undefined;
  try {
    return journalOf(JSON.parse(body, (_, value) => typeof value?.ns === "string" ? BigInt(value.ns) : value));
  } catch {
    return undefined;
  }
}
