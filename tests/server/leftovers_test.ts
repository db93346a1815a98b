// A transfer that was cut goes on where it was, whatever went down.

import { assert, assertEquals } from "@std/assert";
import { noAccounts } from "../../core/accounts.ts";
import { joinPath, parsePath } from "../../core/path.ts";
import { digestOf } from "../../core/recipe.ts";
import { TreeIndex } from "../../core/tree_index.ts";
import { Leftovers } from "../../server/leftovers.ts";
import { Mirror } from "../../server/mirror.ts";
import { LEFT_DIR, PRIVATE_DIR, STAGE_DIR } from "../../server/places.ts";
import { CONTENTS, random } from "../support/contents.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { watchedFs } from "../support/fault_fs.ts";
import { MemoryFs } from "../support/memory_fs.ts";
import { World } from "../support/world.ts";

const F = parsePath("f");
const SIZE = 6 << 20;
const CONTENT = CONTENTS.random(SIZE, random(1));

/** A world whose first transfer of "f" was cut after most of it, and in which nobody is connected now. */
async function cutWorld(): Promise<World> {
  let reads = 0;
  const wrapSource = (fs: MemoryFs) =>
    watchedFs(fs, (call) => {
      if (call === "readAt" && ++reads === 10) world.cut();
    });
  const world: World = new World({ wrapSource });
  world.source.writeFile(F, CONTENT);
  const stop = world.live();
  await world.clock.idle();
  // It would be tried again soon.
  await stop();
  world.stopServer();
  return world;
}

/** What is set aside in the mirror. */
function left(world: World): string[] {
  return world.mirror.lstat(LEFT_DIR) ? world.mirror.list(LEFT_DIR).map(({ name }) => name) : [];
}

async function bytesOfSync(world: World): Promise<number> {
  assertEquals(await world.once(), 0);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
  const synced = world.clientEvents.at(-1);
  return synced?.event === "synced" ? synced.sent : NaN;
}

Deno.test("what arrived before a cut is not sent again, after a restart of both sides, and then goes", async () => {
  using world = await cutWorld();
  assertEquals(world.mirror.tree({ withoutPrivate: true }), {});
  assertEquals(world.mirror.list(STAGE_DIR).length, 1);
  const sent = await bytesOfSync(world);
  assert(sent < SIZE / 2, `${sent} bytes sent`);
  assertEquals([left(world), world.mirror.list(STAGE_DIR)], [[], []]);
});

Deno.test("nor is it by a client that has lost its index", async () => {
  using world = await cutWorld();
  world.forgetClient();
  assert(await bytesOfSync(world) < SIZE / 2);
});

Deno.test("what is left over of a file that has changed meanwhile is of use as far as it goes", async () => {
  using world = await cutWorld();
  const changed = CONTENT.slice();
  changed[1 << 20]! ^= 1;
  world.source.writeFile(F, changed);
  assert(await bytesOfSync(world) < SIZE / 2);
});

Deno.test("what is left over is not believed", async () => {
  using world = await cutWorld();
  const [staged] = world.mirror.list(STAGE_DIR);
  world.mirror.spoil(joinPath(STAGE_DIR, staged!.name), 1 << 20);
  assert(await bytesOfSync(world) < SIZE / 2);
});

Deno.test("what nobody came for within a day goes, and so does what is too much", async () => {
  using world = await cutWorld();
  world.source.unlink(F);
  await bytesOfSync(world);
  assertEquals(left(world).length, 1);
  world.stopServer();
  await world.clock.pass(25 * 3_600_000);
  await bytesOfSync(world);
  assertEquals(left(world), []);
  for (let i = 0; i < 20; i++) world.mirror.writeFile(joinPath(LEFT_DIR, `x-${i}.11`), "leftover");
  world.stopServer();
  await bytesOfSync(world);
  assertEquals(left(world).length, 16);
});

Deno.test("on a full disk what nobody has come for makes room first", async () => {
  const clock = new FakeClock();
  const fs = new MemoryFs(clock.nowNs);
  for (const dir of [PRIVATE_DIR, LEFT_DIR]) fs.mkdir(dir, 0o700);
  const leftovers = new Leftovers(fs, clock);
  for (const name of ["a.11", "b.11"]) fs.writeFile(joinPath(LEFT_DIR, name), name);
  await leftovers.read(() => undefined);
  assert(leftovers.find(digestOf(new TextEncoder().encode("a.11"))));
  assertEquals([leftovers.makeRoom(), leftovers.makeRoom()], [true, false]);
  assertEquals(fs.list(LEFT_DIR).map(({ name }) => name), ["a.11"]);
});

Deno.test("a file that a client gave up, and a small one, leave nothing", async () => {
  using world = new World();
  world.source.writeFile(F, "small");
  await bytesOfSync(world);
  assertEquals([left(world), world.mirror.list(STAGE_DIR)], [[], []]);
});

Deno.test("a client that only looks takes nothing from one that pushes", async () => {
  const clock = new FakeClock();
  const fs = new MemoryFs(clock.nowNs);
  const deps = { accounts: noAccounts, emit: () => {}, randomId: () => "x", fsync: true, name: "mirror" };
  using index = new TreeIndex(":memory:");
  const mirror = new Mirror({
    ...deps,
    fs,
    clock,
    openIndex: () => index,
    removeIndex: () => {},
    history: { days: 30 },
  });
  mirror.claim("somebody");
  await mirror.open(true, () => Promise.resolve());
  const staged = parsePath("staged");
  fs.writeFile(staged, CONTENT);
  fs.rename(staged, joinPath(STAGE_DIR, "x-0.11"));
  await mirror.open(false, () => Promise.resolve());
  assertEquals(fs.list(STAGE_DIR).length, 1);
  assert(fs.lstat(PRIVATE_DIR));
});
