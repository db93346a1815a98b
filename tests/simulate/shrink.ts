// Makes a program that fails small: what can be left out, with something still going wrong, is.

import type { Action, Program } from "./program.ts";

/** The smallest program found that still `fails`, after at most `tries` runs. */
export async function shrink(
  program: Program,
  fails: (program: Program) => Promise<boolean>,
  tries = 400,
): Promise<Program> {
  let best = program;
  let left = tries;
  const attempt = async (candidate: Program) => {
    if (left-- <= 0 || !await fails(candidate)) return false;
    best = candidate;
    return true;
  };
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.length && left > 0;) {
      if (!await attempt([...best.slice(0, at), ...best.slice(at + size)])) at += size;
    }
  }
  for (let at = 0; at < best.length && left > 0; at++) {
    for (const smaller of smallerThan(best[at]!)) {
      if (await attempt(best.with(at, smaller))) break;
    }
  }
  return best;
}

function* smallerThan(action: Action): Generator<Action> {
  if (action.do === "user") {
    for (const count of [1, 2, action.count >> 1, action.count - 1]) {
      if (count > 0 && count < action.count) yield { ...action, count };
    }
  } else if (action.do === "pass" && action.ms > 0) yield { ...action, ms: 0 };
  else if (action.do === "crash" && action.power) yield { ...action, power: false };
}
