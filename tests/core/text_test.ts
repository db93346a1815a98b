// Text for people: nothing harmful gets out, nothing is lost on the way, numbers round as a reader expects.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { escapeJson, escapeText, formatAmount, formatBytes, formatCount, formatDuration } from "../../core/text.ts";

/** All that must never reach a terminal, named independently of core/text.ts. */
function isHarmful(text: string): boolean {
  return [...text].some((char) => {
    const code = char.codePointAt(0)!;
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0xd800 && code <= 0xdfff) ||
      (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
      [0x61c, 0x200e, 0x200f, 0xfeff].includes(code);
  });
}

/** Reads an escaped text back: the proof that escaping is unambiguous. */
function unescapeText(text: string): string {
  return text.replace(/\\(?:\\|x([0-9a-f]{2})|u\{([0-9a-f]+)\})/g, (_, byte?: string, code?: string) => {
    if (byte !== undefined) {
      const value = parseInt(byte, 16);
      return String.fromCharCode(value < 0x80 ? value : 0xdc00 + value);
    }
    return code === undefined ? "\\" : String.fromCodePoint(parseInt(code, 16));
  });
}

Deno.test("escapeText() shows what cannot be shown", () => {
  const table: [string, string][] = [
    ["", ""],
    ["plain ä 漢 😀 name", "plain ä 漢 😀 name"],
    ["a\nb\tc\0", "a\\x0ab\\x09c\\x00"],
    ["\x1b]0;title\x07", "\\x1b]0;title\\x07"],
    ["\x7f\x85\x9b", "\\x7f\\u{85}\\u{9b}"],
    ["caf\udce9", "caf\\xe9"],
    ["\ud800x\udc00", "\\u{d800}x\\u{dc00}"],
    ["exe\u202etxt.", "exe\\u{202e}txt."],
    ["\u061c\u200e\u200f\u202a\u2066\u2069", "\\u{61c}\\u{200e}\\u{200f}\\u{202a}\\u{2066}\\u{2069}"],
    ["a\u2028b\ufeff", "a\\u{2028}b\\u{feff}"],
    ["C:\\Users\\new", "C:\\Users\\new"],
    ["a\\x1b", "a\\\\x1b"],
    ["a\\u{1}", "a\\\\u{1}"],
    ["a\\\n", "a\\\\\\x0a"],
    ["a\\\\b", "a\\\\\\b"],
  ];
  for (const [text, expected] of table) assertEquals(escapeText(text), expected);
});

/** Strings rich in what escaping is about. */
const hostile = fc.array(
  fc.oneof(
    fc.constantFrom(
      "\\",
      "x1b",
      "x",
      "u{",
      "u{1b}",
      "}",
      "\x1b",
      "\x9b",
      "\udc80",
      "\udcff",
      "\ud83d",
      "\u202e",
      "é",
      "😀",
    ),
    fc.string({ unit: "binary", maxLength: 3 }),
  ),
  { maxLength: 12 },
).map((parts) => parts.join(""));

Deno.test("escapeText() is safe and unambiguous for any text", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const escaped = escapeText(text);
      assert(!isHarmful(escaped));
      assertEquals(unescapeText(escaped), text);
    }),
    { seed: 5, numRuns: 3000 },
  );
});

Deno.test("escapeJson() is safe and means the same", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const json = escapeJson(JSON.stringify({ path: text }));
      assert(!isHarmful(json));
      assertEquals(JSON.parse(json), { path: text });
    }),
    { seed: 6, numRuns: 1000 },
  );
});

Deno.test("formatCount() and formatAmount() set thousands apart", () => {
  for (const [count, text] of [[0, "0"], [999, "999"], [1000, "1,000"], [1234567, "1,234,567"]] as const) {
    assertEquals(formatCount(count), text);
  }
  assertEquals(formatAmount(1, "entry", "entries"), "1 entry");
  assertEquals(formatAmount(0, "entry", "entries"), "0 entries");
  assertEquals(formatAmount(2000, "path"), "2,000 paths");
});

Deno.test("formatBytes() keeps two or three digits and never shows 1000 of a unit", () => {
  const table: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [1536, "1.5 kB"],
    [99_949, "99.9 kB"],
    [99_950, "100 kB"],
    [999_499, "999 kB"],
    [999_500, "1.0 MB"],
    [83_200_000, "83.2 MB"],
    [1e9, "1.0 GB"],
    [2 ** 53, "9.0 PB"],
  ];
  for (const [bytes, text] of table) assertEquals(formatBytes(bytes), text);
});

Deno.test("formatDuration() carries when it rounds", () => {
  const table: [number, string][] = [
    [0, "0 ms"],
    [320.4, "320 ms"],
    [999.6, "1.0 s"],
    [1500, "1.5 s"],
    [9949, "9.9 s"],
    [9950, "10 s"],
    [59_499, "59 s"],
    [59_500, "1 min"],
    [125_000, "2 min 5 s"],
    [3_599_600, "1 h"],
    [11_520_000, "3 h 12 min"],
    [86_399_000, "1 d"],
    [349_200_000, "4 d 1 h"],
  ];
  for (const [ms, text] of table) assertEquals(formatDuration(ms), text);
});
