// Text for people: names made harmless, numbers made readable. Pure; knows nothing of terminals.

/**
 * What must not reach a terminal as it is: control characters (C0, DEL, C1), lone surrogates (among them the bytes of
 * names that are not UTF-8), line and paragraph separators, and marks that change the direction of writing.
 */
// deno-lint-ignore no-control-regex
const UNSAFE = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/u;
const EVERY_UNSAFE = new RegExp(UNSAFE, "gu");
/** A backslash that would read as the start of an escape, or as half of a doubled backslash. */
const AMBIGUOUS_BACKSLASH = new RegExp(`\\\\(?=\\\\|x[0-9a-f]{2}|u\\{|${UNSAFE.source})`, "gu");

/**
 * Makes text safe to show on one line of a terminal, without losing what it was:
 *
 * - `\xHH` is a control character below 0x80, or (0x80 and up) one byte of a name that is not UTF-8;
 * - `\u{H}` is any other character that must not be shown;
 * - `\\` is a backslash, doubled only where a single one would read as one of these three.
 *
 * All else stays as it is, so two different texts never look the same, and most have nothing escaped at all.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(escapeText("a\x1b[2Jb"), "a\\x1b[2Jb");
 * assertEquals(escapeText("C:\\Users"), "C:\\Users");
 * ```
 */
export function escapeText(text: string): string {
  if (!UNSAFE.test(text) && !text.includes("\\")) return text;
  return text.replace(AMBIGUOUS_BACKSLASH, "\\\\").replace(EVERY_UNSAFE, (char) => {
    const code = char.codePointAt(0)!;
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
    if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`;
    return `\\u{${code.toString(16)}}`;
  });
}

/**
 * The same for text that is JSON already: escapes what JSON itself leaves in strings but a terminal should not see.
 * What it stands for does not change.
 */
export function escapeJson(json: string): string {
  return json.replace(EVERY_UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * The same without what may be a secret in it: tokens, and all of an invitation behind its host.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(withoutSecrets("Cannot use dirsync://nas:5000/abc/def: why"), "Cannot use dirsync://nas:5000/...: why");
 * ```
 */
export function withoutSecrets(text: string): string {
  return text.replace(/(dirsync:\/\/[^\s/"]*\/)[\w/-]+/gi, "$1...").replace(/(?<![\w-])[\w-]{43}(?![\w-])/g, "...");
}

/** A number with its thousands apart: "1,234". For whole numbers. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A count and its noun: "1 entry", "1,234 entries". */
export function formatAmount(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

const BYTE_UNITS = ["kB", "MB", "GB", "TB", "PB"];

/** A number of bytes in powers of 1000: "999 B", "83.2 MB", "120 GB". */
export function formatBytes(bytes: number): string {
  let value = Math.round(bytes), unit = "B";
  for (const next of BYTE_UNITS) {
    if (unit === "B" ? value < 1000 : value < 999.5) break;
    value /= 1000;
    unit = next;
  }
  return `${unit !== "B" && value < 99.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** A duration given in ms, to two units at most: "320 ms", "1.5 s", "42 s", "2 min 5 s", "3 h 12 min", "4 d 1 h". */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return pair(seconds, "min", 60, "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return pair(minutes, "h", 60, "min");
  return pair(Math.round(minutes / 60), "d", 24, "h");
}

/** `count` small units as large and small ones, without a small part of zero. */
function pair(count: number, large: string, smallPerLarge: number, small: string): string {
  const rest = count % smallPerLarge;
  return `${Math.floor(count / smallPerLarge)} ${large}${rest > 0 ? ` ${rest} ${small}` : ""}`;
}

/** A time, ms since the epoch, as the clocks here show it: "2026-11-25 18:30:05". */
export function formatTime(ms: number): string {
  const time = new Date(ms);
  const two = (number: number) => String(number).padStart(2, "0");
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
  return `${date} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":")}`;
}
