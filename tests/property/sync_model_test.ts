// Whatever a user does to the source, in whatever order, the mirror is equal once the source is quiet (promise P1).

import { assert, assertEquals } from "@std/assert";
import type { MemoryFs } from "../support/memory_fs.ts";
import { ROOT } from "../../core/path.ts";
import { watchedFs } from "../support/fault_fs.ts";
import { seedCount, seeded } from "../support/seed.ts";
import { doSomething } from "../support/user.ts";
import { World } from "../support/world.ts";

const SEEDS = seedCount(60);
const FIRST = Number(Deno.env.get("SEED") ?? 1);

/** These users delete whatever they like; the brake has a test of its own. */
const OPTIONS = { xattrs: true, maxDelete: { percent: 100 } };

function assertEqual(world: World, where: string): void {
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree(), where);
  const [mirror, source] = [world.mirror.lstat(ROOT)!, world.source.lstat(ROOT)!];
  assertEquals([mirror.mode, mirror.mtimeNs], [source.mode, source.mtimeNs], `${where}: the root`);
  const alarms = world.serverEvents.filter((event) => event.event === "warning");
  assertEquals(alarms, [], `${where}: nobody else has changed anything`);
}

Deno.test("client --once makes the mirror equal after any changes, whatever was there before", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const random = seeded(seed);
    using world = new World(OPTIONS);
    for (let i = random(20); i > 0; i--) doSomething(world.mirror, random);
    for (let round = 0; round < 5; round++) {
      for (let i = random(25); i > 0; i--) {
        doSomething(world.source, random);
        if (random(3) === 0) await world.clock.pass(random(50));
      }
      if (random(6) === 0) world.forgetClient();
      if (random(6) === 0) world.stopServer();
      const where = `seed ${seed}, round ${round}`;
      assertEquals(await world.once(), 0, `${where}: ${JSON.stringify(world.clientEvents.at(-1))}`);
      assertEqual(world, where);
    }
  }
});

Deno.test("a live client makes the mirror equal once the source is quiet", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const random = seeded(seed);
    using world = new World({ ...OPTIONS, history: { days: seed % 3 === 0 ? 0 : 30 } });
    const stop = world.live();
    await world.clock.pass(1000);
    for (let round = 0; round < 5; round++) {
      for (let i = random(25); i > 0; i--) {
        world.dirty.addPaths(doSomething(world.source, random));
        if (random(4) === 0) await world.clock.idle();
        if (random(8) === 0) world.cut();
      }
      if (random(8) === 0) {
        world.stopServer();
        world.startServer();
      }
      await world.clock.pass(120_000);
      assertEqual(world, `seed ${seed}, round ${round}`);
    }
    assertEquals(await stop(), 0);
  }
});

Deno.test("whatever happens to the source while it is read, no file is torn, and the mirror is equal once it is quiet", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const random = seeded(seed);
    const held = new Set<string>();
    let often = 0;
    const act = (world: World) => {
      world.dirty.addPaths(doSomething(world.source, random));
      note(world.source, held);
    };
    const wrapSource = (fs: MemoryFs) =>
      watchedFs(fs, () => {
        if (often > 0 && random(often) === 0) act(world);
      });
    using world: World = new World({ ...OPTIONS, wrapSource });
    const stop = world.live();
    await world.clock.pass(1000);
    for (let round = 0; round < 5; round++) {
      often = 10 + random(100);
      for (let i = random(10); i > 0; i--) {
        act(world);
        await world.clock.pass(random(3) * random(50));
        for (const [path, { kind, size, content }] of Object.entries(world.mirror.tree({ withoutPrivate: true }))) {
          if (kind === "file") {
            assert(held.has(`${size} ${content}`), `seed ${seed}, round ${round}: "${path}" is torn`);
          }
        }
      }
      often = 0;
      await world.clock.pass(120_000);
      assertEqual(world, `seed ${seed}, round ${round}`);
    }
    assertEquals(await stop(), 0);
  }
});

Deno.test("whatever the brake holds stays as it was until it is approved of; then the mirror is equal", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS / 3; seed++) {
    const random = seeded(seed);
    using world = new World({ xattrs: true, maxDelete: { entries: random(4) } });
    const stop = world.live();
    await world.clock.pass(1000);
    for (let round = 0; round < 5; round++) {
      for (let i = random(25); i > 0; i--) {
        world.dirty.addPaths(doSomething(world.source, random));
        if (random(4) === 0) await world.clock.idle();
        if (random(8) === 0) world.cut();
        if (random(20) === 0) world.held.approve();
      }
      await world.clock.pass(120_000);
      const where = `seed ${seed}, round ${round}`;
      const { record } = world.held;
      if (record) {
        const { deleted, emptied } = record.held;
        assert(deleted + emptied > 0, where);
        const before = world.mirror.tree({ withoutPrivate: true });
        await world.clock.pass(60_000);
        assertEquals(world.mirror.tree({ withoutPrivate: true }), before, `${where}: held`);
        world.held.approve();
        await world.clock.pass(120_000);
      }
      assertEqual(world, where);
      assertEquals(world.held.record, undefined, where);
    }
    assertEquals(await stop(), 0);
  }
});

/** Notes the content of every file that is there. */
function note(fs: MemoryFs, held: Set<string>): void {
  for (const { kind, size, content } of Object.values(fs.tree())) if (kind === "file") held.add(`${size} ${content}`);
}
