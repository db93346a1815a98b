// Whatever a user does to the source, in whatever order, the mirror is equal once the source is quiet (promise P1).

import { assertEquals } from "@std/assert";
import { ROOT } from "../../core/path.ts";
import { seedCount, seeded } from "../support/seed.ts";
import { doSomething } from "../support/user.ts";
import { World } from "../support/world.ts";

const SEEDS = seedCount(60);
const FIRST = Number(Deno.env.get("SEED") ?? 1);

function assertEqual(world: World, where: string): void {
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree(), where);
  const [mirror, source] = [world.mirror.lstat(ROOT)!, world.source.lstat(ROOT)!];
  assertEquals([mirror.mode, mirror.mtimeNs], [source.mode, source.mtimeNs], `${where}: the root`);
}

Deno.test("client --once makes the mirror equal after any changes, whatever was there before", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const random = seeded(seed);
    using world = new World({ xattrs: true });
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
    using world = new World({ xattrs: true });
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
