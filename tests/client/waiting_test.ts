import { assertEquals } from "@std/assert";
import { Departures } from "../../client/departures.ts";
import { DirtySet } from "../../client/dirty.ts";
import { Holds } from "../../client/holds.ts";
import { parsePath, type RelPath } from "../../core/path.ts";

const [A, B] = [parsePath("a"), parsePath("b")];

Deno.test("Holds lets a file go again after the interval, others at once", () => {
  const holds = new Holds(1000);
  assertEquals(holds.dueAt(A), -Infinity);
  holds.sent(A, 5000, 1);
  assertEquals(holds.dueAt(A), 6000);
  assertEquals(holds.dueAt(B), -Infinity);
});

Deno.test("Holds without an interval gives a file a tenth of the time, and never holds what costs nothing", () => {
  const holds = new Holds(undefined);
  holds.sent(A, 5000, 30);
  assertEquals(holds.dueAt(A), 5300);
  holds.sent(A, 6000, 0);
  assertEquals(holds.dueAt(A), -Infinity);
  holds.sent(A, 7000, 1e9);
  assertEquals(holds.dueAt(A), 67_000);
});

Deno.test("Holds forgets what is over, not what is not", () => {
  const holds = new Holds(1000);
  holds.sent(A, 1_000_000, 1);
  for (let i = 0; i < 20_000; i++) holds.sent(`f${i}` as RelPath, i, 1);
  assertEquals(holds.dueAt(A), 1_001_000);
});

Deno.test("Departures lets a path be deleted once it has been gone for the grace, and starts anew after that", () => {
  const departures = new Departures(20);
  assertEquals(departures.dueAt(A, 100), 120);
  assertEquals(departures.dueAt(A, 110), 120);
  assertEquals(departures.dueAt(A, 125), 120);
  assertEquals(departures.dueAt(A, 500), 520);
});

Deno.test("DirtySet gives what is due, keeps what is not, and wakes who waits", async () => {
  const dirty = new DirtySet();
  const woken = dirty.added();
  dirty.addLater(A, 100);
  await woken;
  assertEquals(dirty.dueAt(), 100);
  dirty.addLater(A, 200);
  dirty.addNamesLater(B, 150);
  assertEquals(dirty.dueAt(), 100);
  assertEquals(dirty.take(120), { all: false, paths: new Set([A]), names: new Set<RelPath>() });
  assertEquals(dirty.dueAt(), 150);
  assertEquals(dirty.take(160), { all: false, paths: new Set<RelPath>(), names: new Set([B]) });
  assertEquals(dirty.dueAt(), Infinity);
});

Deno.test("DirtySet makes everything dirty where there is too much to remember, and takes back what was not finished", () => {
  const dirty = new DirtySet();
  dirty.addPaths(Array.from({ length: 60_000 }, (_, i) => `p${i}` as RelPath));
  const taken = dirty.take(0);
  assertEquals([taken.all, taken.paths.size], [true, 0]);
  assertEquals(dirty.waits, false);
  dirty.giveBack(taken);
  assertEquals(dirty.dueAt(), -Infinity);
});
