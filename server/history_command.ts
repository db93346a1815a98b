// `dirsync history` and `dirsync restore`: they work on the directory of a mirror, on its machine, whether a server runs or not.

import { basename, join, resolve } from "node:path";
import type { Clock } from "../core/clock.ts";
import { FatalError, reasonOf } from "../core/errors.ts";
import type { FileSystem } from "../core/fs.ts";
import { openFs } from "../core/open_fs.ts";
import type { HistoryOptions, RestoreOptions } from "../core/options.ts";
import { joinPath, type RelPath, ROOT } from "../core/path.ts";
import { escapeJson, escapeText, formatAmount, formatBytes, formatTime } from "../core/text.ts";
import { findMirror, type InMirror, isInside } from "./find_mirror.ts";
import { History } from "./history.ts";
import { type Stamp, stampOf, timeOf } from "./history_log.ts";
import { holdMirror } from "./hold.ts";
import { Past, type PastNode, readChronicle } from "./past.ts";
import { SLOT_DIR } from "./places.ts";
import { putBack, Restore } from "./restore.ts";
import { type Version, versionsOf } from "./versions.ts";

/** What the commands are given by main.ts. */
export interface CommandDeps {
  readonly clock: Clock;
  /** Takes text for stdout, newlines included. */
  readonly print: (text: string) => void;
  /** Takes text for stderr. */
  readonly warn: (text: string) => void;
}

/** Lists what is kept of a path. @returns The exit status. @throws {FatalError} If it is in no mirror. */
export function runHistory({ path, json }: HistoryOptions, { print }: CommandDeps): number {
  const mirror = findMirror(path);
  const fs = openFs(mirror.root);
  const versions = versionsOf(fs, readChronicle(fs), mirror.path);
  if (json) { for (const version of versions) print(`${escapeJson(jsonOf(version))}\n`); }
  else if (versions.length === 0) print(`no earlier version of ${nameOf(mirror)} is kept\n`);
  else print(textOf(versions));
  return 0;
}

/**
 * Brings back what was at a path.
 * @returns The exit status: 3 if not all of it could be.
 * @throws {FatalError} If there is nothing to bring back, or no place for it.
 */
export function runRestore(options: RestoreOptions, { clock, print, warn }: CommandDeps): number {
  const { path, at, to, json } = options;
  const mirror = findMirror(path);
  const fs = openFs(mirror.root);
  const since = at === undefined
    ? lastChange(fs, mirror)
    : stampOf("agoMs" in at ? clock.date() - at.agoMs : at.timeMs);
  const { lines, first } = readChronicle(fs, since);
  if (first === undefined) throw new FatalError(`Cannot restore ${nameOf(mirror)}: this mirror has no history yet`);
  // Times are told to the second.
  if (timeOf(since)! < Math.floor(timeOf(first)! / 1000) * 1000) {
    throw new FatalError(`Cannot restore ${nameOf(mirror)}: the history reaches back to ${timeText(first)} only`);
  }
  const past = new Past(fs, lines);
  const node = past.find(mirror.path);
  if (!node) {
    const hint = `dirsync history ${path} lists what is kept`;
    throw new FatalError(`Cannot restore ${nameOf(mirror)}: it was not in the mirror at ${timeText(since)}; ${hint}`);
  }
  const { restore, where } = to === undefined
    ? inPlace(fs, past, mirror, node, clock)
    : elsewhere(fs, past, mirror, node, to);
  const { files, bytes, later, problems } = restore.done;
  for (const { path, reason } of problems) warn(`cannot restore ${escapeText(path)}: ${reason}\n`);
  if (json) print(`${escapeJson(JSON.stringify({ at: isoOf(since), to: where, files, bytes, later, problems }))}\n`);
  else {
    print(
      `restored ${nameOf(mirror)} as it was at ${timeText(since)}: ${amount(files, bytes)}, to ${escapeText(where)}\n`,
    );
    if (later > 0) {
      print(`of ${formatAmount(later, "file")} only a later version is left: the history is thinned as it ages\n`);
    }
    if (to === undefined) {
      print(
        "a client that mirrors to here makes it equal to its source again; --to DIR brings things to another place\n",
      );
    }
  }
  return problems.length > 0 ? 3 : 0;
}

/** The last moment at which something at a path went. */
function lastChange(fs: FileSystem, mirror: InMirror): Stamp {
  const [last] = versionsOf(fs, readChronicle(fs), mirror.path);
  if (!last) throw new FatalError(`Cannot restore ${nameOf(mirror)}: no earlier version of it is kept`);
  return last.at;
}

/** Copies to a directory outside of the mirror. */
function elsewhere(fs: FileSystem, past: Past, mirror: InMirror, node: PastNode, to: string): Outcome {
  const dir = resolve(to);
  if (isInside(dir, mirror.root)) {
    throw new FatalError(
      `Cannot restore to "${to}": it is in the mirror, where a client would remove it; choose another place`,
    );
  }
  const name = mirror.path === ROOT ? "" : basename(mirror.path);
  const target = name === "" ? dir : join(dir, name);
  makeDirectory(dir, to);
  const outside = openFs(Deno.realPathSync(dir));
  const at = name as RelPath;
  if (at === ROOT ? outside.list(ROOT).length > 0 : outside.lstat(at)) {
    throw new FatalError(`Cannot restore to "${target}": something is there already; choose another place with --to`);
  }
  const restore = new Restore(fs, outside, past);
  restore.copy(node, at, mirror.path);
  outside.syncAll();
  return { restore, where: target };
}

/** Puts back where it was. */
function inPlace(fs: FileSystem, past: Past, mirror: InMirror, node: PastNode, clock: Clock): Outcome {
  using held = holdMirror(mirror.root);
  if (!held.isOurs) {
    throw new FatalError(
      `Cannot restore ${nameOf(mirror)} in place: a server holds this mirror, and its client would undo it; ` +
        "bring it to another place with --to DIR, or end the server first",
    );
  }
  if (!fs.lstat(SLOT_DIR)) fs.mkdir(SLOT_DIR, 0o700);
  const restore = new Restore(fs, fs, past), moment = new History({ fs, clock, keeps: true }).begin();
  if (mirror.path !== ROOT) putBack(fs, restore, moment, mirror.path, node);
  else {
    const then = past.children(node)!, now = new Past(fs, []);
    for (const name of new Set([...then.keys(), ...now.children(now.find(ROOT)!)!.keys()])) {
      putBack(fs, restore, moment, joinPath(ROOT, name), then.get(name));
    }
  }
  moment.write(true);
  for (const dir of moment.changed) fs.syncDir(dir);
  if (moment.failure !== undefined) throw moment.failure;
  return { restore, where: join(mirror.root, mirror.path) };
}

interface Outcome {
  readonly restore: Restore;
  readonly where: string;
}

function makeDirectory(dir: string, given: string): void {
  try {
    Deno.mkdirSync(dir, { recursive: true });
  } catch (error) {
    throw new FatalError(`Cannot restore to "${given}": ${reasonOf(error)}`);
  }
}

function textOf(versions: readonly Version[]): string {
  const sizes = versions.map(({ bytes }) => formatBytes(bytes));
  const width = Math.max(...sizes.map((size) => size.length));
  return versions.map(({ at, what, kind, path, files }, i) => {
    const name = `${escapeText(path)}${kind === "dir" ? `/ (${formatAmount(files, "file")})` : ""}`;
    return `${timeText(at)}  ${what.padEnd(8)}  ${sizes[i]!.padStart(width)}  ${name}\n`;
  }).join("");
}

function jsonOf({ at, what, kind, path, place, mtimeNs, bytes, files }: Version): string {
  return JSON.stringify({ time: isoOf(at), what, kind, path, bytes, files, modified: String(mtimeNs), place });
}

function amount(files: number, bytes: number): string {
  return `${formatAmount(files, "file")}, ${formatBytes(bytes)}`;
}

function timeText(at: Stamp): string {
  return formatTime(timeOf(at)!);
}

function isoOf(at: Stamp): string {
  return new Date(timeOf(at)!).toISOString();
}

/** A path as people read it. */
function nameOf({ root, path }: InMirror): string {
  return `"${escapeText(path === ROOT ? root : path)}"`;
}
