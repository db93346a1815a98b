// Live: what goes on when nothing does, and what is found though no event told of it.

import { assert, assertEquals } from "@std/assert";
import { DirtySet } from "../../client/dirty.ts";
import { KEEP_ALIVE_MS } from "../../core/limits.ts";
import { type Link, pipe } from "../../core/link.ts";
import { parsePath as p } from "../../core/path.ts";
import { watchedFs } from "../support/fault_fs.ts";
import type { MemoryFs } from "../support/memory_fs.ts";
import { World } from "../support/world.ts";

const HALF_AN_HOUR = 1_800_000;
/** What a question whether anybody is there, or its answer, takes at most on the line. */
const PING_BYTES = 8;

function equal(world: World): void {
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
}

Deno.test("live: half an hour in which nothing happens costs no look at a disk, and nothing on the line but a keep-alive", async () => {
  const calls: string[] = [];
  let bytes = 0;
  const counted = (link: Link): Link => ({
    ...link,
    send: (sent) => {
      bytes += sent.length;
      return link.send(sent);
    },
  });
  const wrap = (fs: MemoryFs) => watchedFs(fs, (call, args) => calls.push(`${call} ${args[0]}`));
  using world = new World({
    wrapSource: wrap,
    wrapMirror: wrap,
    join: () => pipe().map(counted) as [Link, Link],
  });
  for (let i = 0; i < 20; i++) world.source.writeFile(p(`${i}`), "x");
  const stop = world.live();
  await world.clock.pass(10_000);
  equal(world);
  calls.length = bytes = 0;
  await world.clock.pass(HALF_AN_HOUR);
  assertEquals(calls, []);
  assert(bytes > 0 && bytes <= 2 * PING_BYTES * HALF_AN_HOUR / KEEP_ALIVE_MS, `${bytes} bytes`);
  await stop();
});

Deno.test("live: what comes into a new directory before it is watched is found, without any event, and so on down", async () => {
  using world = new World();
  const stop = world.live();
  await world.clock.pass(1000);
  world.source.mkdir(p("new"), 0o755);
  world.dirty.addPaths([p("new")]);
  let dir = "new", at = 0;
  // A watcher has caught up long before the last of these.
  for (const ms of [1, 40, 200, 1000]) {
    await world.clock.pass(ms - at);
    at = ms;
    world.source.writeFile(p(`${dir}/file`), dir);
    world.source.mkdir(p(dir = `${dir}/deeper`), 0o755);
  }
  await world.clock.pass(5000);
  equal(world);
  await stop();
});

Deno.test("live: where events were lost everything is looked at, and what they would have told is found", async () => {
  using world = new World();
  for (const dir of ["a", "b", "c"]) {
    world.source.mkdir(p(dir), 0o755);
    world.source.writeFile(p(`${dir}/file`), dir);
  }
  const stop = world.live();
  await world.clock.pass(5000);
  world.source.rename(p("a/file"), p("b/moved"));
  world.source.writeFile(p("b/file"), "changed");
  world.source.unlink(p("c/file"));
  await world.clock.pass(5000);
  assert(world.mirror.lstat(p("a/file")), "somebody told");
  world.dirty.addAll();
  await world.clock.pass(1000);
  equal(world);
  await stop();
});

Deno.test("live: more paths at once than are remembered are everything", () => {
  const dirty = new DirtySet();
  dirty.addPaths(Array.from({ length: 200_000 }, (_, i) => p(`file ${i}`)));
  const taken = dirty.take(0);
  assert(taken.all);
  assertEquals(taken.paths.size, 0);
  assert(!dirty.waits);
});
