// Moments as people write them: a date and time of here or of anywhere, the name of a folder in the history, or an age.

import { wrong } from "./address.ts";

/** A moment: ms since the epoch, or ms before now. */
export type When = { readonly timeMs: number } | { readonly agoMs: number };

const AGE_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };
const AGE = /^(\d+(?:\.\d+)?) ?([smhdw])(?: ago)?$/;
const TIME = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d)[:-](\d\d)(?:[:-](\d\d)(?:\.(\d{1,3})\d*)?)?)?(Z|[+-]\d\d:?\d\d)?$/;

/**
 * Reads a moment. Without a zone it is local time; a date alone is where that day begins.
 * @param option Its name, for the message.
 * @throws {UsageError} If it is none.
 */
export function parseWhen(option: string, text: string): When {
  const [, amount, unit] = AGE.exec(text) ?? [];
  if (unit !== undefined) return { agoMs: Math.round(Number(amount) * AGE_MS[unit]!) };
  const [, year, month, day, hours = "0", minutes = "0", seconds = "0", fraction = "", zone] = TIME.exec(text) ?? [];
  const parts = [
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hours),
    Number(minutes),
    Number(seconds),
  ] as const;
  const written = new Date(Date.UTC(...parts));
  // A day or an hour that there is not would become another.
  if (year === undefined || written.toISOString().slice(0, 19) !== toIso(parts)) {
    throw wrong(
      option,
      text,
      "it must be a time such as 2026-11-25, '2026-11-25 18:30' or 2026-11-25T18:30:05Z, or an age such as 2h or 3d",
    );
  }
  const timeMs = zone === undefined ? new Date(...parts).getTime() : written.getTime() - offsetOf(zone);
  return { timeMs: timeMs + Number(fraction.padEnd(3, "0")) };
}

function toIso([year, month, ...rest]: readonly number[]): string {
  const two = (number: number | undefined) => String(number).padStart(2, "0");
  const [day, hours, minutes, seconds] = rest.map(two);
  return `${String(year).padStart(4, "0")}-${two(month! + 1)}-${day}T${hours}:${minutes}:${seconds}`;
}

/** How far the clocks of a zone are ahead (ms). */
function offsetOf(zone: string): number {
  if (zone === "Z") return 0;
  const digits = zone.replace(":", "");
  const ms = Number(digits.slice(1, 3)) * 3_600_000 + Number(digits.slice(3)) * 60_000;
  return digits.startsWith("-") ? -ms : ms;
}
