// Tells a person, or with --json a program, what happens.
//
// events -> lines. Lines of the text mode go to stdout, what is wrong goes to stderr; on a terminal one more line, the
// status, stays below them and is rewritten in place. No text that came from elsewhere gets out unescaped.

import { clientText, invitationText, listeningLines, openWarning } from "./access_text.ts";
import type { Clock } from "./clock.ts";
import type { ChangeKind, Emit, Held, HeldReason, Release, SyncEvent } from "./events.ts";
import type { OutputOptions } from "./options.ts";
import { escapeJson, escapeText, formatAmount, formatBytes, formatCount, formatDuration } from "./text.ts";

/** What the output ends on. */
export interface Terminal {
  readonly isTerminal: boolean;
  /** Its width in characters; asked each time, for it may change. */
  columns(): number;
  /** Whether colours are welcome; without effect when it is no terminal. */
  readonly color: boolean;
}

/** What a report needs. */
export interface ReportOptions {
  readonly output: OutputOptions;
  readonly terminal: Terminal;
  /** Takes text for stdout, newlines included. */
  write(text: string): void;
  /** Takes text for stderr, newlines included. */
  warn(text: string): void;
  readonly clock: Clock;
}

/** Takes events and prints them. */
export interface Report {
  readonly emit: Emit;
  /** Takes the status line away. To be called before anything else is printed, and at the end; any number of times. */
  close(): void;
}

type Progress = Extract<SyncEvent, { event: "progress" }>;

/** The status line is drawn at most this often (ms). */
const REDRAW_MS = 100;
/** Where there is no terminal, progress is told at most this often (ms); with --json, `JSON_PROGRESS_MS`. */
const PLAIN_PROGRESS_MS = 10_000;
const JSON_PROGRESS_MS = 1_000;
/** Rate and time left are taken from this much of the past (ms). */
const RATE_WINDOW_MS = 10_000;
/** A rate from less time than this is noise (ms). */
const RATE_MIN_MS = 500;

const CLEAR_LINE = "\r\x1b[K";
const SIGNS: Record<ChangeKind, { sign: string; color: number }> = {
  create: { sign: "+", color: 32 },
  update: { sign: "~", color: 33 },
  delete: { sign: "-", color: 31 },
  move: { sign: ">", color: 36 },
  metadata: { sign: "=", color: 2 },
};

/** The report that `options.output` asks for. */
export function createReport(options: ReportOptions): Report {
  return options.output.json ? createJsonReport(options) : createTextReport(options);
}

/** An event as one line of JSON without the newline: its time as ISO text, then its own fields; bigints as text. */
export function toJson(event: SyncEvent, nowMs: number): string {
  const json = JSON.stringify(
    { time: new Date(nowMs).toISOString(), ...event },
    (_, value: unknown) => typeof value === "bigint" ? String(value) : value,
  );
  return escapeJson(json);
}

/** Every event as it is, but "progress" once a second at most, "detail" with --verbose only. */
function createJsonReport({ output, write, clock }: ReportOptions): Report {
  let progressAt = -Infinity;
  function emit(event: SyncEvent): void {
    if (output.quiet && !isTrouble(event)) return;
    if (event.event === "detail" && !output.verbose) return;
    const now = clock.now();
    if (event.event === "progress") {
      if (now - progressAt < JSON_PROGRESS_MS) return;
      progressAt = now;
    }
    write(`${toJson(event, clock.date())}\n`);
  }
  return { emit, close: () => {} };
}

/** Whether --quiet lets it through. */
function isTrouble({ event }: SyncEvent): boolean {
  return event === "problem" || event === "solved" || event === "warning" || event === "waiting" ||
    event === "held" || event === "released";
}

/** Lines for a person. */
function createTextReport({ output, terminal, write, warn, clock }: ReportOptions): Report {
  /** Message of each problem that was told and is not solved, by path. */
  const told = new Map<string, string>();
  const meter = createMeter();
  /** The status line, "" for none. */
  let status = "";
  let drawnAt = -Infinity;
  /** When plain progress was last told, or when what it is about began. */
  let toldAt: number | undefined;
  /** Whether it is the source's machine, not the mirror's. */
  let here = true;
  /** Whether nothing has been told to be in step since the connection was made. */
  let isFirstSync = true;

  function say(text: string): void {
    if (!output.quiet) write(`${status && CLEAR_LINE}${text}\n${status}`);
  }

  function complain(text: string): void {
    if (status) write(CLEAR_LINE);
    warn(`${text}\n`);
    if (status) write(status);
  }

  function setStatus(text: string): void {
    const next = text && text.slice(0, Math.max(0, terminal.columns() - 1));
    if (next === status) return;
    write(`${status && CLEAR_LINE}${next}`);
    status = next;
    drawnAt = clock.now();
  }

  function endProgress(): void {
    setStatus("");
    drawnAt = -Infinity;
    toldAt = undefined;
    meter.reset();
  }

  function showProgress(event: Progress): void {
    const now = clock.now();
    const reading = meter.read(event);
    if (output.quiet) return;
    if (terminal.isTerminal) {
      if (now - drawnAt >= REDRAW_MS) setStatus(progressBar(reading, terminal.columns() - 1));
      return;
    }
    toldAt ??= now;
    if (now - toldAt < PLAIN_PROGRESS_MS) return;
    toldAt = now;
    say(progressLine(reading));
  }

  function paint(sign: string, color: number): string {
    return terminal.isTerminal && terminal.color ? `\x1b[${color}m${sign}\x1b[0m` : sign;
  }

  function emit(event: SyncEvent): void {
    switch (event.event) {
      case "listening":
        here = false;
        for (const line of listeningLines(event)) say(line);
        if (!event.loopback && !event.tls) complain(openWarning(event));
        return;
      case "invitation":
        return write(invitationText(event, clock.date()));
      case "client":
        return write(clientText(event, clock.date()));
      case "revoked":
        return say(`"${escapeText(event.name)}" may not connect any more`);
      case "mirroring":
        return say(`mirroring ${escapeText(event.dir)} to ${escapeText(event.server)}`);
      case "waiting":
        endProgress();
        return complain(
          `waiting for ${escapeText(event.server)}: ${escapeText(event.reason)}; trying again until it answers`,
        );
      case "connected":
        isFirstSync = true;
        return say(`connected: ${escapeText(event.peer)}`);
      case "disconnected":
        endProgress();
        return say(`disconnected: ${escapeText(event.peer)} (${escapeText(event.reason)})`);
      case "scanning":
        if (output.verbose) say(`looking through ${escapeText(event.dir)}`);
        else if (terminal.isTerminal && !output.quiet) setStatus("looking through the directory");
        return;
      case "progress":
        return showProgress(event);
      case "change": {
        const { sign, color } = SIGNS[event.change];
        return say(`${paint(sign, color)} ${changeText(event)}`);
      }
      case "changes":
        return say(changesText(event));
      case "synced":
        endProgress();
        if (isFirstSync || event.changed > 0 || event.problems > 0 || event.held > 0 || output.verbose) {
          say(syncedText(event, output.verbose));
        }
        isFirstSync = false;
        return;
      case "planned":
        endProgress();
        return say(plannedText(event));
      case "problem":
        if (told.get(event.path) === event.message) return;
        told.set(event.path, event.message);
        return complain(`problem: ${shownPath(event.path)}: ${escapeText(event.message)}`);
      case "solved":
        if (told.delete(event.path)) complain(`solved: ${shownPath(event.path)}`);
        return;
      case "held":
        endProgress();
        for (const line of heldLines(event, here)) complain(line);
        return;
      case "released":
        return complain(`released: ${escapeText(event.source)}: ${RELEASED[event.how]}`);
      case "approved":
        endProgress();
        if (!event.held) return say(`nothing is held for ${escapeText(event.dir)}`);
        say(`approved: ${lossText(event.held)}; a client that runs does it within a second, another at its next start`);
        for (const line of sampleLines(event.held)) say(line);
        return;
      case "warning":
        return complain(`warning: ${escapeText(event.message)}`);
      case "detail":
        if (output.verbose) say(escapeText(event.message));
        return;
      case "stopped":
        endProgress();
        return say("stopped");
      default:
        event satisfies never;
    }
  }
  return { emit, close: endProgress };
}

const RELEASED: Record<Release, string> = {
  approved: "approved; what was held is done now",
  back: "nothing is missing any more; it goes on",
  allowed: "--max-delete allows it; what was held is done now",
};

/** What the brake holds and why, and what to do about it. `isHere`: on the machine of the source. */
function heldLines(held: Held, isHere: boolean): string[] {
  const source = escapeText(held.source), at = source.indexOf(":");
  const host = source.slice(0, at), dir = source.slice(at + 1);
  const who = isHere ? "" : `${source}: `;
  if (held.reason === "missing") {
    return [
      `held: ${who}the source ${dir} cannot be looked at: ${escapeText(held.detail)}.`,
      "  Nothing is deleted. It goes on by itself once the source is there again.",
    ];
  }
  const on = isHere ? "" : `on ${host}: `;
  const approve = `dirsync approve ${/^[\w./:@%+-]+$/.test(dir) ? dir : `"${dir}"`}`;
  return [
    `held: ${who}${WHY_HELD[held.reason](escapeText(held.detail))}: ${lossText(held)} of the ${
      formatAmount(held.entries, "entry", "entries")
    } in the mirror.`,
    ...sampleLines(held),
    "  The mirror keeps them; all else goes on. If that is not what you want: bring them back, and it goes on by itself.",
    `  If it is: ${on}${approve}${held.reason === "too many" ? ", or start the client with another --max-delete" : ""}`,
  ];
}

const WHY_HELD: Record<Exclude<HeldReason, "missing">, (detail: string) => string> = {
  "too many": () => "this would delete more than is allowed at once",
  "another directory": () => "the source is another directory than it was (is its drive mounted?)",
  "another source": (name) => `the mirror was made from ${name}, this is another source`,
};

/** How many entries would be lost, by kind. */
function lossText({ deleted, emptied, replaced }: Held): string {
  const parts = [[deleted, "to delete"], [emptied, "to make empty"], [replaced, "to replace"]] as const;
  return parts.filter(([count]) => count > 0).map(([count, what]) => `${formatCount(count)} ${what}`).join(", ");
}

function sampleLines({ sample }: Held): string[] {
  return sample.map((path) => `    ${shownPath(path)}`);
}

/** A path as it is shown: the root as ".". */
function shownPath(path: string): string {
  return path === "" ? "." : escapeText(path);
}

/** What follows the sign of a change. */
function changeText({ change, kind, path, from, size }: Extract<SyncEvent, { event: "change" }>): string {
  const end = kind === "dir" ? "/" : "";
  const shown = `${shownPath(path)}${end}`;
  if (change === "move" && from !== undefined) return `${shownPath(from)}${end} -> ${shown}`;
  if (change === "delete" || change === "metadata") return shown;
  if (kind === "symlink") return `${shown} (link)`;
  return size === undefined || kind === "dir" ? shown : `${shown} (${formatBytes(size)})`;
}

/** Many changes in one line. */
function changesText(event: Extract<SyncEvent, { event: "changes" }>): string {
  const parts = [
    [event.created, "new"],
    [event.updated, "changed"],
    [event.deleted, "removed"],
    [event.moved, "moved"],
    [event.metadata, "with other time or permissions"],
  ] as const;
  const counts = parts.filter(([count]) => count > 0).map(([count, what]) => `${formatCount(count)} ${what}`);
  return `${counts.join(", ") || "no changes"} (${formatBytes(event.bytes)})`;
}

/** The mirror is as it should be, or as near as it can get. */
function syncedText(event: Extract<SyncEvent, { event: "synced" }>, verbose: boolean): string {
  const rest = [
    ...(event.problems > 0 ? [`${formatAmount(event.problems, "path")} with a problem`] : []),
    ...(event.held > 0 ? [`${formatAmount(event.held, "entry", "entries")} held`] : []),
  ];
  const but = rest.length > 0 ? ` but for ${rest.join(" and ")}` : "";
  const done = event.changed > 0
    ? `${formatCount(event.changed)} changed, ${formatBytes(event.sent)} sent in ${formatDuration(event.elapsedMs)}`
    : `nothing to send, ${formatDuration(event.elapsedMs)}`;
  const verified = verbose && event.verified ? ", verified" : "";
  return `in step${but}: ${formatAmount(event.entries, "entry", "entries")} (${done}${verified})`;
}

/** The end of a dry run. */
function plannedText({ changes, problems }: Extract<SyncEvent, { event: "planned" }>): string {
  const but = problems > 0 ? `; ${formatAmount(problems, "path")} could not be read` : "";
  if (changes === 0) return `dry run: nothing to do${but}`;
  return `dry run: ${formatAmount(changes, "change")} to make, none made${but}`;
}

/** Progress, with what follows from it. */
interface Reading {
  readonly event: Progress;
  /** The part that is done, 0..1; undefined while totals are unknown. */
  readonly share: number | undefined;
  /** Bytes a second; undefined while unknown. */
  readonly rate: number | undefined;
  readonly leftMs: number | undefined;
}

/** Makes readings: remembers the last seconds, so that rate and time left follow what happens now. */
function createMeter() {
  let samples: { elapsedMs: number; bytes: number; share: number | undefined }[] = [];
  return {
    reset(): void {
      samples = [];
    },
    read(event: Progress): Reading {
      const { elapsedMs, bytes } = event;
      const share = shareOf(event);
      const last = samples.at(-1);
      if (last && (elapsedMs < last.elapsedMs || bytes < last.bytes)) samples = [];
      // A sample each half second is enough, and keeps them few.
      if (samples.length === 0 || elapsedMs - samples.at(-1)!.elapsedMs >= RATE_MIN_MS) {
        samples.push({ elapsedMs, bytes, share });
      }
      while (samples.length > 1 && elapsedMs - samples[1]!.elapsedMs >= RATE_WINDOW_MS) samples.shift();
      const first = samples[0]!;
      const spentMs = elapsedMs - first.elapsedMs;
      if (spentMs < RATE_MIN_MS) return { event, share, rate: undefined, leftMs: undefined };
      const gained = share !== undefined && first.share !== undefined ? share - first.share : 0;
      return {
        event,
        share,
        rate: (bytes - first.bytes) / (spentMs / 1000),
        leftMs: gained > 0 && share! < 1 ? (1 - share!) / gained * spentMs : undefined,
      };
    },
  };
}

/** The part that is done: of entries or of bytes, whichever is further behind. */
function shareOf({ entries, entriesTotal, bytes, bytesTotal }: Progress): number | undefined {
  if (entriesTotal === undefined && bytesTotal === undefined) return undefined;
  const ofEntries = entriesTotal ? entries / entriesTotal : 1;
  const ofBytes = bytesTotal ? bytes / bytesTotal : 1;
  return Math.min(1, Math.max(0, Math.min(ofEntries, ofBytes)));
}

/** Percent, rounded down: 100 only when all is done. */
function percentOf(share: number): number {
  return Math.floor(share * 100);
}

/** What is known besides the share, as parts of a line; the last ones may be left out. */
function progressParts({ event, rate, leftMs }: Reading): string[] {
  const of = (total: number | undefined, format: (count: number) => string) =>
    total === undefined ? "" : ` of ${format(total)}`;
  const { entries, entriesTotal, bytes, bytesTotal } = event;
  return [
    ...(bytesTotal === 0 ? [] : [`${formatBytes(bytes)}${of(bytesTotal, formatBytes)}`]),
    ...(rate ? [`${formatBytes(rate)}/s`] : []),
    ...(leftMs === undefined ? [] : [`${formatDuration(Math.max(1000, leftMs))} left`]),
    `${formatCount(entries)}${of(entriesTotal, formatCount)} entries`,
  ];
}

/** Progress where lines stay. */
function progressLine(reading: Reading): string {
  const percent = reading.share === undefined ? [] : [`${percentOf(reading.share)}%`];
  return `working: ${[...percent, ...progressParts(reading)].join(", ")}`;
}

/** Progress in one line of at most `width` characters: what does not fit is left out from the end. */
function progressBar(reading: Reading, width: number): string {
  const { share } = reading;
  let line = "working";
  if (share !== undefined) {
    const cells = width < 60 ? 10 : 24;
    const done = Math.floor(share * cells);
    const bar = "=".repeat(done) + (done < cells ? ">" : "") + " ".repeat(Math.max(0, cells - done - 1));
    line = `[${bar}] ${String(percentOf(share)).padStart(3)}%`;
  }
  for (const part of progressParts(reading)) {
    if (line.length + 2 + part.length > width) break;
    line += `  ${part}`;
  }
  return line;
}
