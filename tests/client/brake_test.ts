// What the brake decides, as tables.

import { assertEquals } from "@std/assert";
import { type BrakeFacts, Lately, reasonToHold, WINDOW_MS } from "../../client/brake.ts";
import { Harm } from "../../client/harm.ts";
import { parsePath as p } from "../../core/path.ts";

const HALF = { percent: 50 };

function facts(
  deleted: number,
  entries: number,
  { emptied = 0, replaced = 0, ...rest }: Partial<BrakeFacts> & { emptied?: number; replaced?: number } = {},
): BrakeFacts {
  return {
    limit: HALF,
    harm: { deleted, emptied, replaced },
    lately: 0,
    entries: () => entries,
    anotherRoot: false,
    anotherSource: false,
    approved: false,
    ...rest,
  };
}

const TABLE: [what: string, facts: BrakeFacts, reason: ReturnType<typeof reasonToHold>][] = [
  ["nothing", facts(0, 1000), undefined],
  ["half", facts(500, 1000), undefined],
  ["over half", facts(501, 1000), "too many"],
  ["all of a small directory", facts(99, 99), undefined],
  ["just over half of 100", facts(51, 100), "too many"],
  ["all of 100", facts(100, 100), "too many"],
  ["deleted and emptied count together", facts(300, 1000, { emptied: 201 }), "too many"],
  ["replaced ones do not count where the source is its own", facts(0, 1000, { replaced: 1000 }), undefined],
  ["half with what went lately: of what there was then", facts(300, 800, { lately: 200 }), undefined],
  ["over half with what went lately", facts(301, 800, { lately: 200 }), "too many"],
  ["what went lately was of a small directory, and so is the rest", facts(60, 60, { lately: 39 }), undefined],
  ["lately alone, with nothing to go now", facts(0, 10, { lately: 990 }), undefined],
  ["a number: as many", facts(10, 20, { limit: { entries: 10 } }), undefined],
  ["a number: one more, of few", facts(11, 20, { limit: { entries: 10 } }), "too many"],
  ["a number counts what went lately", facts(6, 1000, { limit: { entries: 10 }, lately: 5 }), "too many"],
  ["0: never", facts(1, 1_000_000, { limit: { entries: 0 } }), "too many"],
  ["0%: never, of few either", facts(1, 5, { limit: { percent: 0 } }), "too many"],
  ["100%: always", facts(1000, 1000, { limit: { percent: 100 } }), undefined],
  ["12.5 percent", facts(126, 1000, { limit: { percent: 12.5 } }), "too many"],
  ["another root, and nothing is missing", facts(0, 1000, { anotherRoot: true }), undefined],
  ["another root, and one is missing", facts(1, 5, { anotherRoot: true }), "another directory"],
  ["another root at 100%", facts(1, 5, { anotherRoot: true, limit: { percent: 100 } }), "another directory"],
  ["another root that has all names with other content", facts(0, 9, { anotherRoot: true, replaced: 9 }), undefined],
  ["another source that only adds", facts(0, 1000, { anotherSource: true }), undefined],
  ["another source that replaces", facts(0, 1000, { anotherSource: true, replaced: 1 }), "another source"],
  [
    "another source that deletes, at 100%",
    facts(1, 9, { anotherSource: true, limit: { percent: 100 } }),
    "another source",
  ],
  ["approved: too many", facts(1000, 1000, { approved: true }), undefined],
  ["approved: another root", facts(5, 5, { approved: true, anotherRoot: true }), undefined],
  ["approved: another source", facts(5, 5, { approved: true, anotherSource: true }), undefined],
];
for (const [what, given, reason] of TABLE) {
  Deno.test(`reasonToHold(): ${what}`, () => assertEquals(reasonToHold(given), reason));
}

Deno.test("reasonToHold() does not count the entries where nothing goes, or too little to matter", () => {
  const entries = () => {
    throw new Error("counted");
  };
  for (const deleted of [0, 1, 50]) assertEquals(reasonToHold({ ...facts(deleted, 0), entries }), undefined);
});

Deno.test("Lately forgets what is older than the window", () => {
  const lately = new Lately();
  lately.add(3, 1_000_000);
  lately.add(4, 1_000_000 + WINDOW_MS / 2);
  assertEquals(lately.sum(1_000_000 + WINDOW_MS - 1), 7);
  assertEquals(lately.sum(1_000_000 + WINDOW_MS), 4);
});

Deno.test("Harm: its code is that of its losses, whatever their order, and of no others", () => {
  const of = (...items: Parameters<Harm["add"]>[]) => {
    const harm = new Harm();
    for (const item of items) harm.add(...item);
    return harm;
  };
  const code = of(["delete", p("a"), 200], ["empty", p("b"), 1]).code();
  assertEquals(of(["empty", p("b"), 1], ["delete", p("a"), 200]).code(), code);
  const others = [
    of(["delete", p("a"), 201], ["empty", p("b"), 1]),
    of(["delete", p("a"), 200]),
    of(["delete", p("a"), 200], ["delete", p("b"), 1]),
    of(["delete", p("a"), 200], ["empty", p("c"), 1]),
  ];
  assertEquals(new Set([code, ...others.map((harm) => harm.code())]).size, 5);
});

Deno.test("Harm counts a path once, and shows the first five", () => {
  const harm = new Harm();
  for (const name of ["f", "e", "d", "c", "b", "a", "a"]) harm.add("delete", p(name), 2);
  assertEquals([harm.deleted, harm.total], [12, 12]);
  assertEquals(harm.sample(), ["a", "b", "c", "d", "e"].map(p));
});
