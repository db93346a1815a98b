// The history's log: what each commit did to the mirror, one JSON object a line, in one file a day (UTC). Read backwards from now
// it says what was where at any moment. It is data: the mirror's index knows nothing of it.
//
//   .dirsync/history/2026-11-25.log
//   .dirsync/history/2026-11-25T03-18-44.123Z/notes.txt     what the commit of that moment replaced or removed at notes.txt
//
// A line that was not written to its end is none; the next one starts on a line of its own.

import type { FileSystem } from "../core/fs.ts";
import { joinPath, type RelPath } from "../core/path.ts";
import { HISTORY_DIR } from "./places.ts";

/** The time of a commit (UTC, to the ms) as a name that every system allows; they sort as the commits were made. */
export type Stamp = string;

/** What has happened at a place of the mirror, its slots included. */
export type Effect =
  /** Something came to be where nothing was. */
  | readonly ["+", path: RelPath]
  /** What was there went to the history: to the same path below the stamp, if no other place in the history is named. */
  | readonly ["-", path: RelPath, place?: RelPath]
  /** One name went of a file that is still there under another. */
  | readonly ["&", path: RelPath, other: RelPath]
  /** Something moved to where nothing was. */
  | readonly [">", from: RelPath, to: RelPath]
  /** Attributes changed; these it had before. */
  | readonly ["=", path: RelPath, mode: number, mtimeNs: string, uid: number, gid: number];

/** What a commit did, in order; a commit may take several lines. */
export interface LogLine {
  readonly at: Stamp;
  readonly did: readonly Effect[];
}

const STAMP = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3})Z$/;
const LOG = /^(\d{4}-\d\d-\d\d)\.log$/;
/** The last line of a log starts within so many bytes of its end. */
const TAIL_BYTES = 256 << 10;
/** Effects in one line at most. */
const LINE_EFFECTS = 500;

/** The stamp of a time (ms since the epoch). */
export function stampOf(ms: number): Stamp {
  return new Date(ms).toISOString().replaceAll(":", "-");
}

/** The time of a stamp, or undefined if it is none. */
export function timeOf(stamp: Stamp): number | undefined {
  const [, day, hours, minutes, seconds] = STAMP.exec(stamp) ?? [];
  return day === undefined ? undefined : Date.parse(`${day}T${hours}:${minutes}:${seconds}Z`);
}

/** The day (UTC) of a stamp. */
export function dayOf(stamp: Stamp): string {
  return stamp.slice(0, 10);
}

/** What is in the history, each in order. */
export function listHistory(fs: Pick<FileSystem, "lstat" | "list">): { stamps: Stamp[]; days: string[] } {
  const stamps: Stamp[] = [], days: string[] = [];
  if (fs.lstat(HISTORY_DIR)?.kind === "dir") {
    for (const { name, stat } of fs.list(HISTORY_DIR)) {
      const day = LOG.exec(name)?.[1];
      if (stat.kind === "dir" && timeOf(name) !== undefined) stamps.push(name);
      else if (stat.kind === "file" && day !== undefined) days.push(day);
    }
  }
  return { stamps: stamps.sort(), days: days.sort() };
}

/** The log of a day. */
export function logPath(day: string): RelPath {
  return joinPath(HISTORY_DIR, `${day}.log`);
}

/** The text of what was done at `at`. */
export function encodeLines(at: Stamp, did: readonly Effect[]): string {
  let text = "";
  for (let i = 0; i < did.length; i += LINE_EFFECTS) {
    text += `\n${JSON.stringify({ at, did: did.slice(i, i + LINE_EFFECTS) } satisfies LogLine)}`;
  }
  return text;
}

/** The lines of the log of a day, as far as they can be read. */
export function readLog(fs: Pick<FileSystem, "lstat" | "openFile">, day: string, tailOnly = false): LogLine[] {
  const stat = fs.lstat(logPath(day));
  if (stat?.kind !== "file") return [];
  const from = tailOnly ? Math.max(0, stat.size - TAIL_BYTES) : 0;
  const bytes = new Uint8Array(stat.size - from);
  using file = fs.openFile(logPath(day));
  const text = new TextDecoder().decode(bytes.subarray(0, file.readAt(from, bytes)));
  return text.split("\n").map(parseLine).filter((line) => line !== undefined);
}

function parseLine(text: string): LogLine | undefined {
  if (text === "") return undefined;
  try {
    const line = JSON.parse(text) as LogLine;
    return typeof line?.at === "string" && timeOf(line.at) !== undefined && Array.isArray(line.did) ? line : undefined;
  } catch {
    return undefined;
  }
}
