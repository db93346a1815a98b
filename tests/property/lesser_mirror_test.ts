// What a mirror's file system cannot hold, its index remembers: whatever a user does, the mirror gives back what the source was.

import { assertEquals } from "@std/assert";
import { RememberedTree } from "../../client/remembered.ts";
import { noAccounts } from "../../core/accounts.ts";
import { everythingIn } from "../support/everything.ts";
import { seedCount, seeded } from "../support/seed.ts";
import { doSomething } from "../support/user.ts";
import { windowsLike } from "../support/windows_like.ts";
import { World } from "../support/world.ts";

const SEEDS = seedCount(20);
const FIRST = Number(Deno.env.get("SEED") ?? 1);

Deno.test("a mirror gives back what its file system could not hold", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const random = seeded(seed);
    using world = new World({ wrapMirror: windowsLike });
    for (let round = 0; round < 4; round++) {
      for (let i = random(25); i > 0; i--) {
        // No names that Windows does not allow, and no twins.
        doSomething(world.source, random, ["a", "b", "c", "d", "e f", "-g", "é"]);
        await world.clock.pass(random(50));
      }
      if (random(6) === 0) world.forgetClient();
      const where = `seed ${seed}, round ${round}`;
      assertEquals(await world.once(), 0, `${where}: ${world.told("problem")}`);
      world.stopServer();
      const tree = new RememberedTree(windowsLike(world.mirror), world.serverDatabase.open(), noAccounts);
      assertEquals(everythingIn(tree), everythingIn(world.source), where);
      assertEquals(world.told("problem"), [], where);
    }
  }
});
