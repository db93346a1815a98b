// As Dropbox tests its planner (CanopyCheck): a tree that both sides have, perturbed on either side, and what may differ told in
// shuffled batches of any size, some of it twice, some not at all until the end: it must come to rest, soon, with equal trees.

import { assert, assertEquals } from "@std/assert";
import type { RelPath } from "../../core/path.ts";
import { pick, type Random, seedCount, seeded } from "../support/seed.ts";
import { doSomething } from "../support/user.ts";
import { World } from "../support/world.ts";

const SEEDS = seedCount(60);
const FIRST = Number(Deno.env.get("SEED") ?? 1);
/** Batches until it must have come to rest. */
const MOST_BATCHES = 200;

Deno.test("whatever the order in which changes are told, the planner comes to rest with equal trees", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const random = seeded(seed);
    using world = new World({ xattrs: true, maxDelete: { percent: 100 } });
    for (let i = 0; i < 25; i++) doSomething(world.source, random);
    assertEquals(await world.once(), 0);
    // Both sides are perturbed while nothing runs; what the mirror became is found when a client connects.
    for (let i = random(6); i > 0; i--) doSomething(world.mirror, random);
    const stop = world.live();
    await world.clock.pass(2000);
    const told: RelPath[] = [];
    for (let i = 5 + random(30); i > 0; i--) told.push(...doSomething(world.source, random));
    let batches = 0;
    for (const batch of shuffledBatches([...told, ...told.filter(() => random(3) === 0)], random)) {
      world.dirty.addPaths(batch);
      await world.clock.pass(pick(random, [0, 1, 30]));
      batches++;
    }
    const isQuiet = () => world.clientEvents.slice(before).every(({ event }) => event !== "change");
    let before = 0;
    do {
      before = world.clientEvents.length;
      await world.clock.pass(1000);
      batches++;
    } while (!isQuiet() && batches < MOST_BATCHES);
    assert(batches < MOST_BATCHES, `seed ${seed}: it does not come to rest`);
    assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree(), `seed ${seed}`);
    assertEquals(await stop(), 0);
  }
});

function* shuffledBatches(paths: readonly RelPath[], random: Random): Generator<RelPath[]> {
  const left = [...paths];
  while (left.length > 0) {
    const batch: RelPath[] = [];
    for (let size = 1 + random(8); size > 0 && left.length > 0; size--) {
      batch.push(...left.splice(random(left.length), 1));
    }
    yield batch;
  }
}
