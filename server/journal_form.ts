// What a journal may hold. It was written by a server on this disk, but what it says is carried out before anybody has looked at
// the mirror: whatever is not exactly of this form is no journal.

import { MAX_AVERAGE, MAX_FILE_BYTES, MAX_STEPS, MAX_TARGET_BYTES, MIN_AVERAGE } from "../core/limits.ts";
import { parsePath } from "../core/path.ts";
import { timeOf } from "./history_log.ts";
import type { Journal } from "./journal.ts";
import { FIRST_FREE_SLOT, STAGE_DIR } from "./places.ts";

type Check = (value: unknown) => boolean;

const MAX_ID = 2 ** 32 - 1;

const isCount = (most: number): Check => (value) =>
  Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= most;
const isFlag: Check = (value) => typeof value === "boolean";
const isInode: Check = (value) => typeof value === "bigint" && value >= 0n;
const isTime: Check = (value) => typeof value === "bigint" && BigInt.asIntN(64, value) === value;
const isDigest: Check = (value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
const isPath: Check = (value) => {
  if (typeof value !== "string") return false;
  try {
    parsePath(value);
    return true;
  } catch {
    return false;
  }
};
/** In the stage, or in a directory there, where it may have any name. */
const isStaged: Check = (value) => {
  if (typeof value !== "string" || !value.startsWith(`${STAGE_DIR}/`)) return false;
  const below = value.slice(STAGE_DIR.length + 1);
  return /^[\w-]{1,100}(\.\d{1,2})?$/.test(below) || /^[\w-]{1,100}\/[^/]+$/.test(below) && isPath(below);
};
const isTarget: Check = (value) =>
  typeof value === "string" && value !== "" && value.length <= MAX_TARGET_BYTES && !value.includes("\0");
const isAverage: Check = (value) => [...averages()].includes(Number(value));
const optional = (check: Check): Check => (value) => value === undefined || check(value);
const isKind = (kind: string): Check => (value) => value === kind;

const ATTRIBUTES = {
  mode: isCount(0o7777),
  mtimeNs: isTime,
  uid: isCount(MAX_ID),
  gid: isCount(MAX_ID),
  xattrs: (value: unknown) => value === "" || isDigest(value),
  link: isCount(Number.MAX_SAFE_INTEGER),
};
const WAS = { ino: isInode, mtimeNs: optional(isTime) };
const isSlot = isCount(Math.max(MAX_STEPS, 2 * FIRST_FREE_SLOT));

/** What each step has beside its name. */
const STEPS: Record<string, Record<string, Check>> = {
  mkdir: { path: isPath, entry: isRecord({ ...ATTRIBUTES, kind: isKind("dir") }) },
  file: {
    path: isPath,
    at: isStaged,
    ino: optional(isInode),
    entry: isRecord({
      ...ATTRIBUTES,
      kind: isKind("file"),
      size: isCount(MAX_FILE_BYTES),
      average: isAverage,
      content: isDigest,
    }),
  },
  symlink: { path: isPath, entry: isRecord({ ...ATTRIBUTES, kind: isKind("symlink"), target: isTarget }) },
  link: { path: isPath, to: isPath },
  meta: { path: isPath, attributes: isRecord(ATTRIBUTES) },
  move: { from: isPath, to: isPath },
  park: { path: isPath, slot: isSlot, stays: isFlag },
  unpark: { slot: isSlot, below: isPath, to: isPath },
  remove: { path: isPath },
  drop: { slot: isSlot },
};

/** The journal that a value from JSON is; undefined if it is none. */
export function journalOf(value: unknown): Journal | undefined {
  const { stamp, steps } = (value ?? {}) as Record<string, unknown>;
  if (typeof stamp !== "string" || timeOf(stamp) === undefined || !Array.isArray(steps)) return undefined;
  return steps.length <= MAX_STEPS && steps.every(isStep) ? value as Journal : undefined;
}

function isStep(value: unknown): boolean {
  const op = (value as { op?: unknown } | undefined)?.op;
  const parts = typeof op === "string" && Object.hasOwn(STEPS, op) ? STEPS[op] : undefined;
  return parts !== undefined &&
    isRecord({ ...parts, op: isKind(op as string), was: optional(isRecord(WAS)), had: optional(isPath) })(value);
}

/** Whether a value is an object with these parts and no others. */
function isRecord(parts: Record<string, Check>): Check {
  return (value) =>
    typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.keys(value).every((key) => Object.hasOwn(parts, key)) &&
    Object.entries(parts).every(([key, check]) => check((value as Record<string, unknown>)[key]));
}

function* averages(): Generator<number> {
  for (let average = MIN_AVERAGE; average <= MAX_AVERAGE; average *= 2) yield average;
}
