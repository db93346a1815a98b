import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { UsageError } from "../../core/errors.ts";
import { parseWhen } from "../../core/when.ts";

Deno.test("parseWhen() reads times of here and of anywhere, names of moments, and ages", () => {
  const local = (...parts: [number, number, number, number?, number?, number?, number?]) => ({
    timeMs: new Date(...parts as [number, number, number]).getTime(),
  });
  const utc = (text: string) => ({ timeMs: Date.parse(text) });
  const table: [string, unknown][] = [
    ["2026-11-25", local(2026, 10, 25)],
    ["2026-11-25 18:30", local(2026, 10, 25, 18, 30)],
    ["2026-11-25T18:30:05", local(2026, 10, 25, 18, 30, 5)],
    ["2026-11-25 18:30:05.5", local(2026, 10, 25, 18, 30, 5, 500)],
    ["2026-11-25T18:30:05.123456Z", utc("2026-11-25T18:30:05.123Z")],
    ["2026-11-25T18:30+01:00", utc("2026-11-25T17:30:00Z")],
    ["2026-11-25T18:30-0530", utc("2026-11-26T00:00:00Z")],
    ["2026-11-25T03-18-44.123Z", utc("2026-11-25T03:18:44.123Z")],
    ["2024-02-29", local(2024, 1, 29)],
    ["90s", { agoMs: 90_000 }],
    ["0s", { agoMs: 0 }],
    ["30m", { agoMs: 1_800_000 }],
    ["1.5h", { agoMs: 5_400_000 }],
    ["3d", { agoMs: 3 * 86_400_000 }],
    ["2w ago", { agoMs: 14 * 86_400_000 }],
  ];
  for (const [text, moment] of table) assertEquals(parseWhen("--at", text), moment as never, text);
});

Deno.test("parseWhen() refuses what is no time", () => {
  const wrong = [
    "",
    "soon",
    "2026-13-01",
    "2026-02-30",
    "2026-11-25 25:00",
    "2026-11-25T10",
    "25.11.2026",
    "3 years",
    "-2h",
  ];
  for (const text of wrong) {
    const { message } = assertThrows(() => parseWhen("--at", text), UsageError);
    assertMatch(message, /^Cannot use --at ".*": it must be a time such as .*, or an age/, text);
  }
});
