// The brake in both engines: whatever takes the source away, the mirror keeps what it has, and goes on by itself when it is back.

import { assert, assertEquals } from "@std/assert";
import type { SyncEvent } from "../../core/events.ts";
import { type FileSystem, removeTree } from "../../core/fs.ts";
import { joinPath, parsePath as p, type RelPath, ROOT } from "../../core/path.ts";
import { watchedFs } from "../support/fault_fs.ts";
import { MemoryFs } from "../support/memory_fs.ts";
import { MountPoint } from "../support/mount_point.ts";
import { World, type WorldOptions } from "../support/world.ts";

/** Files in a tree that `fill` makes, and with its directories entries. */
const FILES = 200, ENTRIES = 210;

/** Ten directories of twenty files. */
function fill(fs: MemoryFs): void {
  for (let d = 0; d < 10; d++) {
    fs.mkdir(p(`d${d}`), 0o755);
    for (let f = 0; f < FILES / 10; f++) fs.writeFile(p(`d${d}/f${f}`), `content ${d} ${f}`);
  }
}

function empty(fs: FileSystem): void {
  for (const { name } of fs.list(ROOT)) removeTree(fs, joinPath(ROOT, name));
}

function eventsOf<E extends SyncEvent["event"]>(events: readonly SyncEvent[], name: E): (SyncEvent & { event: E })[] {
  return events.filter((event) => event.event === name) as (SyncEvent & { event: E })[];
}

/** What people were told of the brake, in short. */
function told(events: readonly SyncEvent[]): string[] {
  return events.flatMap((event) => {
    if (event.event === "held") {
      const { reason, deleted, emptied, replaced } = event;
      return [`held: ${reason} ${deleted} ${emptied} ${replaced}`];
    }
    return event.event === "released" ? [`released: ${event.how}`] : [];
  });
}

/** How many entries the mirror holds. */
function held(world: World): number {
  return Object.keys(world.mirror.tree({ withoutPrivate: true })).length;
}

function isEqual(world: World, source = world.source): boolean {
  const [mirror, wanted] = [world.mirror.tree({ withoutPrivate: true }), source.tree()].map((tree) =>
    JSON.stringify(tree, (_, value) => typeof value === "bigint" ? String(value) : value)
  );
  return mirror === wanted;
}

/** A world with a filled source that is in step. */
async function filled(options: WorldOptions = {}): Promise<World> {
  const world = new World(options);
  fill(world.source);
  assertEquals(await world.once(), 0);
  return world;
}

/** The same with a live client. */
async function live(options: WorldOptions = {}) {
  const world = new World(options);
  fill(world.source);
  const stop = world.live();
  await world.clock.pass(3000);
  assertEquals(held(world), ENTRIES);
  return { world, stop };
}

Deno.test("a source that was emptied does not empty the mirror: --once says so and ends with 3, each time", async () => {
  using world = await filled();
  empty(world.source);
  for (let i = 0; i < 2; i++) {
    world.clientEvents.length = world.serverEvents.length = 0;
    assertEquals(await world.once(), 3);
    assertEquals(held(world), ENTRIES);
    for (const events of [world.clientEvents, world.serverEvents]) {
      assertEquals(told(events), [`held: too many ${ENTRIES} 0 0`]);
      const [{ source, entries, sample }] = eventsOf(events, "held") as [SyncEvent & { event: "held" }];
      assertEquals([source, entries, sample], ["here:/source", ENTRIES, ["d0", "d1", "d2", "d3", "d4"]]);
    }
    assertEquals(eventsOf(world.clientEvents, "synced").at(-1)!.held, ENTRIES);
  }
});

Deno.test("approved of, exactly what was held goes; then nothing is held any more", async () => {
  using world = await filled();
  empty(world.source);
  assertEquals(await world.once(), 3);
  world.held.approve();
  assertEquals(await world.once(), 0);
  assertEquals(held(world), 0);
  assertEquals(told(world.clientEvents).at(-1), "released: approved");
  assertEquals(told(world.serverEvents).at(-1), "released: approved");
  assertEquals([world.held.record, world.held.approval()], [undefined, undefined]);
});

Deno.test("an approval is not for more than what was shown", async () => {
  using world = await filled();
  for (let d = 0; d < 6; d++) removeTree(world.source, p(`d${d}`));
  assertEquals(await world.once(), 3);
  world.held.approve();
  removeTree(world.source, p("d6"));
  world.clientEvents.length = 0;
  assertEquals(await world.once(), 3);
  assertEquals(held(world), ENTRIES);
  assertEquals(told(world.clientEvents), ["held: too many 147 0 0"]);
  assertEquals(world.held.approval(), undefined);
  world.held.approve();
  assertEquals(await world.once(), 0);
  assert(isEqual(world));
});

Deno.test("a dry run says what would be held, and approves of nothing", async () => {
  using world = await filled();
  empty(world.source);
  world.clientEvents.length = 0;
  const source = { source: "here:/source", sourceId: "x", dryRun: true };
  assertEquals(await world.once({ source }), 3);
  assertEquals(told(world.clientEvents), [`held: too many ${ENTRIES} 0 0`]);
  assertEquals(eventsOf(world.clientEvents, "change"), []);
  assertEquals([world.held.record, told(world.serverEvents)], [undefined, []]);
});

Deno.test("--max-delete as the user has it: within it all goes, beyond it nothing", async () => {
  const limits: [WorldOptions["maxDelete"] & object, deleted: number, status: number][] = [
    [{ entries: 21 }, 1, 0],
    [{ entries: 20 }, 1, 3],
    [{ entries: 0 }, 1, 3],
    [{ percent: 10 }, 1, 0],
    [{ percent: 9.9 }, 1, 3],
    [{ percent: 100 }, 10, 0],
  ];
  for (const [maxDelete, count, status] of limits) {
    using world = await filled({ maxDelete });
    for (let d = 0; d < count; d++) removeTree(world.source, p(`d${d}`));
    assertEquals(await world.once(), status, JSON.stringify(maxDelete));
    assertEquals(held(world), status === 0 ? ENTRIES - 21 * count : ENTRIES, JSON.stringify(maxDelete));
  }
});

Deno.test("a larger --max-delete lets go what a smaller one held", async () => {
  using world = await filled({ maxDelete: { entries: 0 } });
  removeTree(world.source, p("d0"));
  assertEquals(await world.once(), 3);
  assertEquals(await world.once({ maxDelete: { entries: 21 } }), 0);
  assert(isEqual(world));
});

Deno.test("a small directory that is emptied is emptied in the mirror", async () => {
  using world = new World();
  for (let i = 0; i < 99; i++) world.source.writeFile(p(`f${i}`), "x");
  assertEquals(await world.once(), 0);
  empty(world.source);
  assertEquals(await world.once(), 0);
  assertEquals(held(world), 0);
});

Deno.test("renames of everything, and what is newly excluded, are no deletions", async () => {
  using world = await filled({ maxDelete: { entries: 0 } });
  world.source.mkdir(p("below"), 0o755);
  for (let d = 0; d < 10; d++) world.source.rename(p(`d${d}`), p(`below/e${d}`));
  assertEquals(await world.once(), 0);
  assert(isEqual(world));
  world.source.writeFile(p(".dirsyncignore"), "/below/\n");
  for (let d = 0; d < 10; d++) removeTree(world.source, p(`below/e${d}`));
  assertEquals(await world.once(), 0);
  assertEquals(told(world.clientEvents), []);
  assertEquals(held(world), ENTRIES + 2);
});

Deno.test("files that become empty count as deletions; other overwrites do not", async () => {
  using world = await filled();
  const each = (content: (path: RelPath) => string) => {
    for (const [path, { kind }] of Object.entries(world.source.tree())) {
      if (kind === "file") world.source.writeFile(p(path), content(p(path)));
    }
  };
  each((path) => `another ${path}`);
  assertEquals(await world.once(), 0);
  each(() => "");
  world.clientEvents.length = 0;
  assertEquals(await world.once(), 3);
  assertEquals(told(world.clientEvents), [`held: too many 0 ${FILES} 0`]);
  assertEquals(new TextDecoder().decode(world.mirror.readFile(p("d3/f7"))), "another d3/f7");
  each((path) => `again ${path}`);
  assertEquals(await world.once(), 0);
  each(() => "");
  assertEquals(await world.once(), 3);
  world.held.approve();
  assertEquals(await world.once(), 0);
  assertEquals(world.mirror.readFile(p("d3/f7")).length, 0);
});

Deno.test("a directory with much in it that makes way for something else is held whole, and the rest goes on", async () => {
  for (const other of ["a file", "a link", "a directory that was elsewhere"]) {
    using world = new World();
    world.source.mkdir(p("much"), 0o755);
    fill(world.source);
    for (let d = 0; d < 10; d++) world.source.rename(p(`d${d}`), p(`much/d${d}`));
    world.source.mkdir(p("other"), 0o755);
    world.source.writeFile(p("other/small"), "small");
    world.source.writeFile(p("other/gone"), "not for long");
    assertEquals(await world.once(), 0);
    removeTree(world.source, p("much"));
    world.source.unlink(p("other/gone"));
    if (other === "a file") world.source.writeFile(p("much"), "now a file");
    else if (other === "a link") world.source.symlink(p("much"), "other");
    else {
      world.source.rename(p("other"), p("much"));
      // It waits with the directory that it is in.
      world.source.writeFile(p("much/late"), "late");
    }
    world.source.writeFile(p("new"), "new");
    world.clientEvents.length = 0;
    assertEquals(await world.once(), 3, other);
    // What is gone from the directory that moves is counted once it has moved.
    const gone = other.startsWith("a directory") ? 0 : 1;
    assertEquals(told(world.clientEvents), [`held: too many ${ENTRIES + 1 + gone} 0 0`], other);
    assertEquals(held(world), ENTRIES + 5, other);
    assert(world.mirror.lstat(p("new")));
    world.held.approve();
    assertEquals(await world.once(), 0, other);
    assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree(), other);
  }
});

Deno.test("an empty file in the place of one that moved, which is found much later, is no loss", async () => {
  using world = new World({ maxDelete: { entries: 0 } });
  world.source.writeFile(p("a"), "content");
  assertEquals(await world.once(), 0);
  world.source.rename(p("a"), p("z"));
  world.source.writeFile(p("a"), "");
  for (let i = 0; i < 1200; i++) world.source.writeFile(p(`m${i}`), "");
  assertEquals(await world.once(), 0);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
});

Deno.test("live: a wipe in slices is stopped within half; what is held is told in full, once", async () => {
  const { world, stop } = await live();
  using _ = world;
  for (let d = 0; d < 10; d++) {
    for (let f = 0; f < 20; f++) {
      world.source.unlink(p(`d${d}/f${f}`));
      world.dirty.addPaths([p(`d${d}/f${f}`)]);
    }
    world.source.rmdir(p(`d${d}`));
    world.dirty.addPaths([p(`d${d}`)]);
    await world.clock.pass(1000);
  }
  await world.clock.pass(120_000);
  assert(held(world) >= ENTRIES / 2, `${held(world)} are left`);
  const left = held(world);
  const [first] = eventsOf(world.clientEvents, "held");
  assertEquals(first!.reason, "too many");
  assertEquals(told(world.serverEvents), told(world.clientEvents));
  assert(told(world.clientEvents).length <= 4, told(world.clientEvents).join());
  // What was held at its end goes, if it is approved of, within about a second.
  assertEquals(world.held.record!.held.deleted, left);
  world.held.approve();
  await world.clock.pass(1500);
  assertEquals(held(world), 0);
  assertEquals(told(world.clientEvents).at(-1), "released: approved");
  await stop();
});

Deno.test("live: slower than half a minute a slice, deletions are daily work", async () => {
  const { world, stop } = await live();
  using _ = world;
  for (let d = 0; d < 5; d++) {
    removeTree(world.source, p(`d${d}`));
    world.dirty.addPaths([p(`d${d}`)]);
    await world.clock.pass(61_000);
  }
  assert(isEqual(world));
  assertEquals(told(world.clientEvents), []);
  await stop();
});

Deno.test("live: while something is held, what is new, edited and renamed goes on", async () => {
  const { world, stop } = await live();
  using _ = world;
  for (let d = 0; d < 7; d++) removeTree(world.source, p(`d${d}`));
  world.dirty.addAll();
  await world.clock.pass(3000);
  assertEquals(told(world.clientEvents), ["held: too many 147 0 0"]);
  world.source.writeFile(p("new"), "new");
  world.source.writeFile(p("d7/f0"), "edited");
  world.source.rename(p("d8"), p("renamed"));
  world.source.unlink(p("d9/f0"));
  world.dirty.addPaths(["new", "d7/f0", "d8", "renamed", "d9/f0"].map(p));
  await world.clock.pass(10);
  assertEquals(new TextDecoder().decode(world.mirror.readFile(p("d7/f0"))), "edited");
  assert(world.mirror.lstat(p("new")));
  assert(world.mirror.lstat(p("renamed/f0")));
  await world.clock.pass(10_000);
  assert(world.mirror.lstat(p("d9/f0")), "one more is held as well");
  assertEquals(world.held.record!.held.deleted, 148);
  assertEquals(told(world.clientEvents).length, 1, "of one more nobody is told again");
  await stop();
});

Deno.test("live: what is held and comes back is let go by itself, and told", async () => {
  const { world, stop } = await live();
  using _ = world;
  empty(world.source);
  world.dirty.addAll();
  await world.clock.pass(3000);
  assertEquals(held(world), ENTRIES);
  fill(world.source);
  world.dirty.addPaths(Array.from({ length: 10 }, (_, d) => p(`d${d}`)));
  await world.clock.pass(5000);
  assert(isEqual(world));
  assertEquals(told(world.clientEvents), [`held: too many ${ENTRIES} 0 0`, "released: back"]);
  assertEquals(told(world.serverEvents), told(world.clientEvents));
  assertEquals(world.held.record, undefined);
  await stop();
});

Deno.test("what is held stays held over restarts of either side, however little is left of it", async () => {
  const { world, stop } = await live();
  using _ = world;
  for (let d = 0; d < 5; d++) removeTree(world.source, p(`d${d}`));
  world.dirty.addAll();
  await world.clock.pass(1000);
  assertEquals(held(world), ENTRIES - 105);
  world.source.unlink(p("d9/f0"));
  world.dirty.addPaths([p("d9/f0")]);
  await world.clock.pass(3000);
  assertEquals(told(world.clientEvents), ["held: too many 1 0 0"]);
  await stop();
  world.stopServer();
  await world.clock.pass(600_000);
  assertEquals(await world.once(), 3);
  assert(world.mirror.lstat(p("d9/f0")));
  world.held.approve();
  assertEquals(await world.once(), 0);
  assert(isEqual(world));
});

Deno.test("what was approved of is done to its end, if the connection breaks in the middle", async () => {
  // More than one commit.
  const files = 4500;
  let cutAt = Infinity;
  const wrapMirror = (fs: MemoryFs) =>
    watchedFs<FileSystem>(fs, (call) => {
      if (call.startsWith("rename") && --cutAt === 0) world.cut();
    });
  using world: World = new World({ wrapMirror });
  for (let i = 0; i < files; i++) world.source.writeFile(p(`f${i}`), "");
  const stop = world.live();
  await world.clock.pass(3000);
  empty(world.source);
  world.dirty.addAll();
  await world.clock.pass(3000);
  assertEquals(held(world), files);
  cutAt = 2500;
  world.held.approve();
  await world.clock.pass(30_000);
  assert(cutAt <= 0, "it was cut");
  assertEquals(held(world), 0);
  assertEquals(told(world.clientEvents), [`held: too many ${files} 0 0`, "released: approved"]);
  await stop();
});

Deno.test("an unmounted drive: whatever is at its place, nothing is deleted; mounted again, it goes on by itself", async () => {
  for (const left of ["nothing", "an empty directory", "a directory with three files of its own"]) {
    const place = new MountPoint();
    // Few entries: no limit of numbers helps.
    using world = new World({ wrapSource: place.fs, maxDelete: { percent: 100 } });
    for (const name of ["desktop.ini", "photos", "b", "c"]) world.source.writeFile(p(name), `the drive's ${name}`);
    world.source.mkdir(p("deep"), 0o755);
    world.source.writeFile(p("deep/file"), "x");
    const stop = world.live();
    await world.clock.pass(3000);
    const before = world.mirror.tree({ withoutPrivate: true });
    place.at = left === "nothing" ? undefined : new MemoryFs(world.clock.nowNs, undefined, undefined, 7n);
    if (left.includes("three")) {
      for (const name of ["desktop.ini", "Thumbs.db", "readme"]) place.at!.writeFile(p(name), "the default");
    }
    world.dirty.addPaths([p("photos"), p("deep")]);
    await world.clock.pass(60_000);
    const { "Thumbs.db": thumbs, readme, ...rest } = world.mirror.tree({ withoutPrivate: true });
    assertEquals(rest, before, left);
    // What is new does no harm.
    assertEquals([thumbs !== undefined, readme !== undefined], Array(2).fill(left.includes("three")), left);
    const reason = left === "nothing"
      ? "missing 0 0 0"
      : `another directory ${left.includes("three") ? "5 0 1" : "6 0 0"}`;
    assertEquals(told(world.clientEvents), [`held: ${reason}`], left);
    place.at = world.source;
    world.source.writeFile(p("photos"), "a new save");
    // The watcher, which is not in this world, would tell that the root is another.
    if (left !== "nothing") world.dirty.addAll();
    await world.clock.pass(5000);
    assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree(), left);
    assertEquals(told(world.clientEvents), [`held: ${reason}`, "released: back"], left);
    assertEquals(told(world.serverEvents), told(world.clientEvents), left);
    await stop();
  }
});

Deno.test("another drive with all that was there is taken for the source, without a word", async () => {
  const place = new MountPoint();
  using world = new World({ wrapSource: place.fs });
  fill(world.source);
  assertEquals(await world.once(), 0);
  const copy = place.at = new MemoryFs(world.clock.nowNs, undefined, undefined, 7n);
  fill(copy);
  assertEquals(await world.once(), 0);
  copy.unlink(p("d0/f0"));
  assertEquals(await world.once(), 0);
  assert(isEqual(world, copy));
  assertEquals(told(world.clientEvents), []);
});

Deno.test("on another drive inode numbers tell nothing: what has one that the index knows has not moved", async () => {
  const place = new MountPoint();
  using world = new World({ wrapSource: place.fs });
  world.source.writeFile(p("a"), "a");
  world.source.mkdir(p("photos"), 0o755);
  world.source.writeFile(p("photos/1"), "1");
  assertEquals(await world.once(), 0);
  const other = place.at = new MemoryFs(world.clock.nowNs, undefined, undefined, 2n);
  other.mkdir(p("junk"), 0o755);
  assertEquals(other.lstat(p("junk"))!.ino, world.source.lstat(p("photos"))!.ino);
  assertEquals(await world.once(), 3);
  assertEquals(Object.keys(world.mirror.tree({ withoutPrivate: true })), ["a", "junk", "photos", "photos/1"]);
});

Deno.test("on another drive inode numbers tell nothing: what has the number of a directory is not where that is wanted", async () => {
  const place = new MountPoint();
  using world = new World({ wrapSource: place.fs, maxDelete: { percent: 100 } });
  for (let i = 0; i < 3; i++) world.source.mkdir(p(`photos${i}`), 0o755);
  world.source.writeFile(p("photos2/1"), "1");
  assertEquals(await world.once(), 0);
  // Its root has the number that the directory has.
  const { ino } = world.source.lstat(p("photos2"))!;
  const other = place.at = new MemoryFs(world.clock.nowNs, undefined, undefined, ino - 1n);
  assertEquals(other.lstat(ROOT)!.ino, ino);
  other.writeFile(p("photos2"), "a file");
  assertEquals(await world.once(), 3);
  assertEquals(Object.keys(world.mirror.tree({ withoutPrivate: true })), [
    "photos0",
    "photos1",
    "photos2",
    "photos2/1",
  ]);
});

Deno.test("the same drive under another device number, and another directory on the same drive, are the source", async () => {
  const place = new MountPoint();
  using world = new World({ wrapSource: place.fs });
  world.source.writeFile(p("a"), "a");
  world.source.writeFile(p("b"), "b");
  assertEquals(await world.once(), 0);
  const lstat = world.source.lstat.bind(world.source);
  for (const other of [{ dev: 99n, ino: undefined }, { dev: 99n, ino: 99n }]) {
    world.source.lstat = (path) =>
      path === ROOT ? { ...lstat(path)!, dev: 99n, ino: other.ino ?? lstat(path)!.ino } : lstat(path);
    removeTree(world.source, p(other.ino ? "a" : "b"));
    assertEquals(await world.once(), 0);
    assert(isEqual(world));
  }
  assertEquals(told(world.clientEvents), []);
});

Deno.test("a root that becomes another in the middle of a look does not count: nothing is deleted, all is looked at again", async () => {
  const place = new MountPoint();
  using world = new World({ wrapSource: place.fs });
  for (const name of ["a", "b", "c", "d"]) world.source.writeFile(p(name), name);
  assertEquals(await world.once(), 0);
  const other = new MemoryFs(world.clock.nowNs, undefined, undefined, 7n);
  for (let k = 1; k < 60; k++) {
    place.at = world.source;
    let calls = 0;
    place.before = () => {
      calls++;
      if (calls === k) place.at = other;
      if (calls === k + 3) place.at = world.source;
    };
    await world.once();
    place.before = () => {};
    assertEquals(Object.keys(world.mirror.tree({ withoutPrivate: true })), ["a", "b", "c", "d"], `at call ${k}`);
  }
});

Deno.test("a root that cannot be read is a problem, and neither empties the mirror nor counts as being back", async () => {
  let isClosed = false;
  const wrapSource = (fs: MemoryFs) =>
    watchedFs<FileSystem>(fs, (call) => {
      if (call === "survey" && isClosed) throw new Deno.errors.PermissionDenied("no");
    });
  using world = await filled({ wrapSource });
  isClosed = true;
  assertEquals(await world.once(), 3);
  assertEquals(held(world), ENTRIES);
  isClosed = false;
  empty(world.source);
  assertEquals(await world.once(), 3);
  assert(world.held.record);
  isClosed = true;
  assertEquals(await world.once(), 3);
  assert(world.held.record, "it is held still");
  assertEquals(held(world), ENTRIES);
});

Deno.test("where an ignore file cannot be read, nothing that it may be about is deleted", async () => {
  let isClosed = false;
  const wrapSource = (fs: MemoryFs) =>
    new Proxy(fs as FileSystem, {
      get: (target, key) => {
        const value = Reflect.get(target, key, target);
        if (key !== "openFile") return typeof value === "function" ? value.bind(target) : value;
        return (path: RelPath) => {
          if (path.endsWith(".dirsyncignore") && isClosed) throw Object.assign(new Error("EIO"), { code: "EIO" });
          return target.openFile(path);
        };
      },
    });
  const world = new World({ wrapSource });
  using _ = world;
  world.source.mkdir(p("dir"), 0o755);
  world.source.writeFile(p("dir/kept"), "x");
  const stop = world.live();
  await world.clock.pass(3000);
  world.source.writeFile(p("dir/.dirsyncignore"), "kept\n");
  world.dirty.addPaths([p("dir/.dirsyncignore")]);
  await world.clock.pass(3000);
  isClosed = true;
  world.source.unlink(p("dir/kept"));
  world.dirty.addPaths([p("dir/kept")]);
  await world.clock.pass(1000);
  assert(world.mirror.lstat(p("dir/kept")), "it is excluded, for all that is known");
  assertEquals(eventsOf(world.clientEvents, "problem").map(({ path }) => path), ["dir/.dirsyncignore"]);
  await stop();
});

const OTHER = { source: "elsewhere:/other", sourceId: "00000000-0000-4000-8000-000000000009", dryRun: false };

/** A mirror of one source, and another source in the client's place, with an index of its own. */
async function otherSource(prepare: (fs: MemoryFs) => void): Promise<World> {
  const world = await filled();
  empty(world.source);
  prepare(world.source);
  world.forgetClient();
  world.clientEvents.length = world.serverEvents.length = 0;
  return world;
}

Deno.test("another source adds to the mirror, but deletes and replaces nothing before that is approved of", async () => {
  using world = await otherSource((fs) => {
    fill(fs);
    removeTree(fs, p("d0"));
    fs.writeFile(p("d1/f0"), "the other's");
    fs.unlink(p("d1/f1"));
    fs.symlink(p("d1/f1"), "a link now");
    fs.writeFile(p("new"), "new");
  });
  for (let i = 0; i < 2; i++) assertEquals(await world.once({ source: OTHER }), 3);
  assertEquals(told(world.clientEvents), Array(2).fill("held: another source 21 0 2"));
  assertEquals(eventsOf(world.clientEvents, "held")[0]!.detail, "here:/source");
  assertEquals(held(world), ENTRIES + 1);
  assertEquals(new TextDecoder().decode(world.mirror.readFile(p("d1/f0"))), "content 1 0");
  assertEquals(new TextDecoder().decode(world.mirror.readFile(p("new"))), "new");
  world.held.approve();
  assertEquals(await world.once({ source: OTHER }), 0);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
  // From now on the mirror is its.
  world.source.unlink(p("new"));
  world.forgetClient();
  assertEquals(await world.once({ source: OTHER }), 0);
  assert(isEqual(world));
});

Deno.test("another source with the same content, the same under another name, or without its state, is let in without a word", async () => {
  const names: Partial<typeof OTHER>[] = [
    {},
    { source: "here:/source" },
    { sourceId: "00000000-0000-4000-8000-000000000002" },
  ];
  for (const name of names) {
    using world = await otherSource(fill);
    const source = { ...OTHER, ...name };
    assertEquals(await world.once({ source }), 0);
    world.source.unlink(p("d0/f0"));
    assertEquals(await world.once({ source }), 0);
    assertEquals(told(world.clientEvents), []);
    assert(isEqual(world));
  }
});

Deno.test("a source that takes turns with another is another each time", async () => {
  using world = await otherSource(fill);
  assertEquals(await world.once({ source: OTHER }), 0);
  world.source.writeFile(p("mine"), "x");
  assertEquals(await world.once({ source: OTHER }), 0);
  world.source.unlink(p("mine"));
  assertEquals(await world.once(), 3);
  assert(world.mirror.lstat(p("mine")));
  assertEquals(told(world.clientEvents), ["held: another source 1 0 0"]);
});

Deno.test("a client that has lost its state, too, deletes nothing for a drive that is gone", async () => {
  const place = new MountPoint();
  using world = new World({ wrapSource: place.fs, maxDelete: { percent: 100 } });
  for (const name of ["a", "b", "c"]) world.source.writeFile(p(name), name);
  assertEquals(await world.once(), 0);
  world.forgetClient();
  // Nor does a server that has lost power since.
  world.stopServer();
  world.serverDatabase.kill();
  world.serverDatabase.revive(true);
  place.at = new MemoryFs(world.clock.nowNs, undefined, undefined, 7n);
  for (let i = 0; i < 2; i++) assertEquals(await world.once(), 3);
  assertEquals(held(world), 3);
  assertEquals(told(world.clientEvents), Array(2).fill("held: another directory 3 0 0"));
  place.at = world.source;
  world.source.unlink(p("a"));
  assertEquals(await world.once(), 0);
  assert(isEqual(world));
});

Deno.test("a drive that is gone before the mirror was in step with it once is the source all the same", async () => {
  const place = new MountPoint();
  let isCut = false;
  // The connection breaks for good when the mirror has the files, and the client does not know.
  const wrapMirror = (fs: MemoryFs) =>
    watchedFs<FileSystem>(fs, () => {
      if (!isCut && fs.lstat(p("c"))) world.stopServer();
      isCut ||= fs.lstat(p("c")) !== undefined;
    });
  using world: World = new World({ wrapSource: place.fs, wrapMirror, maxDelete: { percent: 100 } });
  for (const name of ["a", "b", "c"]) world.source.writeFile(p(name), name);
  const stop = world.live();
  await world.clock.idle();
  await stop();
  assert(isCut);
  world.forgetClient();
  place.at = new MemoryFs(world.clock.nowNs, undefined, undefined, 7n);
  assertEquals(await world.once(), 3);
  assertEquals(held(world), 3);
  place.at = world.source;
  assertEquals(await world.once(), 0);
  assert(isEqual(world));
});

Deno.test("a connection that breaks while the source is missing is no reason not to look for it any more", async () => {
  const place = new MountPoint();
  using world = new World({ wrapSource: place.fs });
  fill(world.source);
  const stop = world.live();
  await world.clock.pass(3000);
  place.at = undefined;
  world.dirty.addPaths([p("d0/f0")]);
  await world.clock.pass(10_000);
  world.cut();
  await world.clock.pass(10_000);
  place.at = world.source;
  world.source.writeFile(p("d0/f0"), "saved since");
  await world.clock.pass(10_000);
  assert(isEqual(world));
  await stop();
});

Deno.test("a root that is found to be another is doubted by whoever watches it, each time", async () => {
  const place = new MountPoint();
  using world = new World({ wrapSource: place.fs });
  world.source.writeFile(p("a"), "a");
  const stop = world.live();
  await world.clock.pass(1000);
  assertEquals(world.doubts, 0);
  const other = new MemoryFs(world.clock.nowNs, undefined, undefined, 7n);
  other.writeFile(p("b"), "b");
  for (const [times, at] of [[1, other], [2, world.source]] as const) {
    place.at = at;
    world.dirty.addAll();
    await world.clock.pass(1000);
    assertEquals(world.doubts, times);
  }
  await stop();
});
