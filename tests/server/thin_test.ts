import { assert, assertEquals, assertMatch } from "@std/assert";
import { joinPath, parsePath as path, type RelPath } from "../../core/path.ts";
import { contentOf, digestOf } from "../../core/recipe.ts";
import type { Step } from "../../core/types.ts";
import { History, type HistoryLimits } from "../../server/history.ts";
import { listHistory, timeOf } from "../../server/history_log.ts";
import { HISTORY_DIR, STAGE_DIR } from "../../server/places.ts";
import { Past, readChronicle } from "../../server/past.ts";
import { Restore } from "../../server/restore.ts";
import { Stage } from "../../server/stage.ts";
import { budgetOf, thin } from "../../server/thin.ts";
import { FILE, kept, mirrorScene, warnings } from "../support/mirror_scene.ts";
import { MemoryFs, systemError } from "../support/memory_fs.ts";

const HOUR = 3_600_000, DAY = 24 * HOUR;
const remove = (name: string): Step => ({ op: "remove", path: path(name) });

/** What is kept of one path, by the time at which it went. */
function versions(fs: MemoryFs, name: string): Record<string, string | undefined> {
  const all = Object.entries(kept(fs)).filter(([place]) => place.slice(place.indexOf("/") + 1) === name);
  return Object.fromEntries(all.map(([place, content]) => [place.slice(0, 16), content]));
}

/** The bytes that are in the history, counted on the disk. */
function bytesIn(fs: MemoryFs): number {
  return Object.entries(fs.tree()).reduce(
    (sum, [name, entry]) => sum + (name.startsWith(`${HISTORY_DIR}/`) && entry.kind === "file" ? entry.size! : 0),
    0,
  );
}

/** Saves a file once in so many hours, for so many days. */
async function saveOften(world: Awaited<ReturnType<typeof mirrorScene>>, days: number, everyHours = 4): Promise<void> {
  for (let hours = 0; hours < days * 24; hours += everyHours) {
    assertEquals(await world.commit(world.file("a", `${hours}`)), []);
    await world.clock.pass(everyHours * HOUR);
  }
}

Deno.test("of the last day every version stays; of each day before, what it began with and what went last", async () => {
  using world = await mirrorScene();
  const { fs } = world;
  // From 10:00 of the 25th; the last save is at 6:00 of the 28th.
  await saveOften(world, 3);
  await world.clock.pass(DAY);
  await world.commit(world.file("b", "new b"));
  await world.clock.pass(HOUR);
  assertEquals(versions(fs, "a"), {
    "2026-11-25T10-00": "was a",
    "2026-11-25T22-00": "8",
    "2026-11-26T02-00": "12",
    "2026-11-26T22-00": "32",
    "2026-11-27T02-00": "36",
    "2026-11-27T22-00": "56",
    "2026-11-28T02-00": "60",
    "2026-11-28T06-00": "64",
  });
  assertEquals(world.mirror.historyBytes, bytesIn(fs));
});

Deno.test("where a version has been thinned, a later one comes back, and that is said", async () => {
  using world = await mirrorScene();
  await saveOften(world, 3);
  await world.clock.pass(DAY);
  await world.commit(world.file("b", "new b"));
  await world.clock.pass(HOUR);
  const bring = (since: string) => {
    const past = new Past(world.fs, readChronicle(world.fs, since).lines), to = new MemoryFs(world.clock.nowNs);
    const restore = new Restore(world.fs, to, past);
    restore.copy(past.find(path("a"))!, path("a"), path("a"));
    return [new TextDecoder().decode(to.readFile(path("a"))), restore.done.later];
  };
  // What was saved at 10:00 and replaced at 14:00 is gone; what was saved at 18:00 is the next that is kept.
  assertEquals(bring("2026-11-26T12-00-00.000Z"), ["32", 1]);
  assertEquals(bring("2026-11-26T00-00-00.000Z"), ["12", 0]);
});

Deno.test("a file that lived for hours only, and a directory's files, are thinned one by one", async () => {
  using world = await mirrorScene();
  const { fs, file, commit, clock } = world;
  const entry = { kind: "dir", ...FILE, mode: 0o755 } as const;
  await clock.pass(HOUR);
  await commit(file("temp", "1"), file("d/x", "new x"));
  await clock.pass(HOUR);
  await commit(file("temp", "2"));
  await clock.pass(HOUR);
  await commit(file("temp", "3"), file("d/x", "newer x"), remove("d"));
  await clock.pass(HOUR);
  await commit(remove("temp"), { op: "mkdir", path: path("d"), entry }, file("d/x", "last x"), file("d/z", "z"));
  await clock.pass(HOUR);
  await commit(remove("d"));
  await clock.pass(3 * DAY);
  await commit(file("b", "new b"));
  await clock.pass(HOUR);
  assertEquals(Object.values(versions(fs, "temp")), ["1", "3"]);
  assertEquals(Object.values(versions(fs, "d/x")), ["was d/x", "last x"]);
  assertEquals(Object.values(versions(fs, "d/sub/y")), ["was d/sub/y"]);
  assertEquals(Object.values(versions(fs, "d/z")), ["z"]);
  assertEquals(world.mirror.historyBytes, bytesIn(fs));
});

Deno.test("what is older than the days wanted goes, its log and its chunks with it", async () => {
  using world = await mirrorScene({ history: { days: 5 } });
  const { fs, index, file, commit } = world;
  const large = "x".repeat(40_000);
  const digest = digestOf(new TextEncoder().encode(large));
  const other = "y".repeat(40_000), otherDigest = digestOf(new TextEncoder().encode(other));
  await commit(file("d/large", large), file("b", other));
  await commit(remove("d"), file("b", "small"));
  assert(index.holderOf(digest) && index.holderOf(otherDigest));
  await saveOften(world, 8, 12);
  const now = world.clock.now();
  const { stamps, days } = listHistory(fs);
  // Thinned by the last commit, 12 hours ago.
  assert(stamps.length > 8 && stamps.every((stamp) => timeOf(stamp)! >= now - 6 * DAY), stamps.join());
  assertEquals([days[0], days.length], ["2026-11-27", 6]);
  assertEquals([index.holderOf(digest), index.holderOf(otherDigest)], [undefined, undefined]);
  assertEquals(index.count(), 2);
  assertEquals(world.mirror.historyBytes, bytesIn(fs));
});

Deno.test("a history that is to keep nothing any more is emptied", async () => {
  using world = await mirrorScene();
  await world.commit(world.file("a", "new a"), remove("d"));
  await world.clock.pass(1);
  run(world, { days: 0 });
  assertEquals(kept(world.fs), {});
  assertEquals(listHistory(world.fs).stamps, []);
});

Deno.test("a size that was given goes before days: the oldest goes first, the last day last", async () => {
  using world = await mirrorScene({ history: { days: 30, bytes: 4000 } });
  const { fs, clock, file, commit } = world;
  for (let i = 0; i < 10; i++) {
    await commit(file("a", `${i}`.repeat(300)));
    await clock.pass(12 * HOUR);
  }
  await commit(file("b", "b"));
  await clock.pass(1000);
  const left = Object.entries(versions(fs, "a"));
  assertEquals(left.at(-1)![0], "2026-11-29T22-00");
  assert(bytesIn(fs) <= 4000 && left.length >= 3, `${left.length} versions`);
  // At once, not only once an hour.
  await commit(file("large", "x".repeat(5000)));
  await commit(file("large", "y"));
  await clock.pass(1000);
  assert(bytesIn(fs) <= 4000);
  assertEquals(Object.values(versions(fs, "a")), []);
});

Deno.test("by default all of the last day stays, however large, and beyond it a fifth of the mirror, at least 1 GiB", async () => {
  using world = await mirrorScene();
  const { fs, index, file, commit, clock } = world;
  const GIB = 1 << 30;
  assertEquals(budgetOf({ days: 30 }, index, GIB), { most: GIB, strict: false });
  assertEquals(budgetOf({ days: 30 }, index, 3 * GIB), { most: GIB, strict: false });
  const entry = {
    kind: "file",
    ...FILE,
    size: 50 * GIB - index.bytesIn(1),
    average: 2048,
    content: "ab".repeat(32),
  } as const;
  index.put(1, "enormous", entry, undefined);
  assertEquals(budgetOf({ days: 30 }, index, 3 * GIB), { most: 10 * GIB, strict: false });
  assertEquals(budgetOf({ days: 30, bytes: 7 }, index, 3 * GIB), { most: 7, strict: true });
  await commit(file("a", "1"));
  await clock.pass(2 * DAY);
  await commit(file("a", "2"), remove("b"));
  await clock.pass(HOUR);
  new History({ fs, clock, keeps: true }).grew(index, 11 * GIB);
  run(world, { days: 30 });
  assertEquals(Object.values(kept(fs)), ["1", "was b"]);
});

Deno.test("thinning takes one file or directory at a time, and counts what it finds where that is not known", async () => {
  let gone = 0;
  using world = await mirrorScene({
    before: (_, call) => {
      if (call === "unlink" || call === "rmdir") gone++;
    },
  });
  const { fs, index, mirror, clock } = world;
  await saveOften(world, 2);
  await world.commit(remove("d"));
  new History({ fs, clock, keeps: true }).forgetCount(index);
  const deps = { fs: mirror.fs, index, history: new History({ fs, clock, keeps: true }), limits: { days: 1 / 24 } };
  gone = 0;
  const steps = thin({ ...deps, now: clock.now() + 3 * DAY });
  let first = true;
  for (let before = 0; !steps.next().done; before = gone) {
    assert(gone - before <= 1);
    // The first steps count.
    if (first && gone === 1) assert(index.fact("history bytes") !== undefined);
    first &&= gone === 0;
  }
  assert(gone > 20);
  assertEquals([kept(fs), bytesIn(fs), index.fact("history bytes")], [{}, 0, "0"]);
});

Deno.test("a history that somebody has changed by hand does not stop thinning, nor what is in directories closed to all", async () => {
  using world = await mirrorScene({ history: { days: 2 } });
  const { fs, commit, clock, file } = world;
  await commit(remove("d"));
  fs.writeFile(joinPath(HISTORY_DIR, "notes of mine"), "keep");
  fs.setMeta(joinPath(HISTORY_DIR, "2026-11-25T10-00-00.000Z/d/sub"), { mode: 0, mtimeNs: 1n });
  await commit(file("a", "1"));
  fs.unlink(joinPath(HISTORY_DIR, "2026-11-25T10-00-00.001Z/a"));
  await clock.pass(3 * DAY);
  await commit(file("a", "2"));
  await clock.pass(HOUR);
  assertEquals(Object.values(kept(fs)), ["1", "keep"]);
  assertEquals(warnings(world.events), []);
});

const full = systemError("ENOSPC", "write", "x");

/** A mirror on a disk that is full until something in the history goes. */
async function fullScene(call: string): Promise<Awaited<ReturnType<typeof mirrorScene>> & { stage: Stage }> {
  let isFull = false;
  const world = await mirrorScene({
    before: (_, each) => {
      if (each === "unlink") isFull = false;
      if (isFull && each === call) throw full;
    },
  });
  const { mirror, index } = world;
  const stage = new Stage(mirror.fs, index, mirror.metadata, {
    fsync: true,
    name: "stage",
    makeRoom: (bytes) => mirror.makeRoom(bytes),
    leftovers: mirror.leftovers,
  });
  for (let i = 0; i < 3; i++) await world.commit(world.file("a", `${i}`));
  await world.clock.pass(HOUR);
  return { ...world, stage, fill: () => isFull = true } as never;
}

const BYTES = new TextEncoder().encode("some content");
const RECIPE = { average: 2048, lengths: [BYTES.length], digests: [digestOf(BYTES)] };
const WHOLE = {
  type: "whole",
  path: path("f"),
  attributes: FILE,
  sparse: false,
  average: 2048,
  lengths: RECIPE.lengths,
  content: contentOf(RECIPE),
  bytes: BYTES,
} as const;

for (const call of ["createFile", "write"]) {
  Deno.test(`on a full disk the oldest of the history makes room, but nothing of the last day: ${call}()`, async () => {
    const world = await fullScene(call) as Awaited<ReturnType<typeof fullScene>> & { fill(): void };
    using _ = world;
    world.fill();
    const refused = world.stage.whole(WHOLE);
    assert("reason" in refused);
    assertMatch(refused.reason, /no space left/);
    assertEquals(Object.keys(kept(world.fs)).length, 3);
    await world.clock.pass(DAY);
    world.fill();
    assert("at" in world.stage.whole(WHOLE));
    assertEquals(kept(world.fs), {});
    assertEquals(world.fs.readFile(world.fs.list(STAGE_DIR).map(({ name }) => joinPath(STAGE_DIR, name))[0]!), BYTES);
  });
}

Deno.test("content that is in the history alone is not sent again, and one that is not there any more is forgotten", async () => {
  using world = await mirrorScene();
  const { fs, index, mirror, file, commit } = world;
  const bytes = new TextEncoder().encode("x".repeat(40_000)), digest = digestOf(bytes);
  await commit(file("d/large", "x".repeat(40_000)));
  await commit(remove("d"));
  const stage = new Stage(mirror.fs, index, mirror.metadata, {
    fsync: true,
    name: "stage",
    makeRoom: () => false,
    leftovers: mirror.leftovers,
  });
  const recipe = { average: 16384, lengths: [bytes.length], digests: [digest] };
  const whole = () => {
    const begin = { type: "file", path: path("back"), attributes: FILE, sparse: false, size: bytes.length } as const;
    stage.begin({ ...begin, average: 16384, base: path("back") });
    stage.known(digest, bytes.length);
    return stage.end(contentOf(recipe));
  };
  const staged = whole();
  assert("at" in staged);
  assertEquals(fs.readFile(staged.at), bytes);
  const place = Object.keys(kept(fs)).find((each) => each.endsWith("d/large"))!;
  fs.unlink(joinPath(HISTORY_DIR, place) as RelPath);
  assert("reason" in whole());
  await mirror.commit([], new Set(stage.wrong), () => Promise.resolve());
  assertEquals(index.holderOf(digest), undefined);
});

/** Thins at once. */
function run({ fs, index, clock }: Awaited<ReturnType<typeof mirrorScene>>, limits: HistoryLimits): void {
  const steps = thin({ fs, index, history: new History({ fs, clock, keeps: true }), limits, now: clock.now() });
  while (!steps.next().done);
}
