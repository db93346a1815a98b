// A server that crashes at any call that changes its disk, and is started again: every file in the mirror is, whole, one that the
// source held (P2), no litter stays, and the next sync makes the mirror equal (P1).

import { assert, assertEquals } from "@std/assert";
import { PRIVATE } from "../../core/path.ts";
import { faultFs, type Fuse } from "../support/fault_fs.ts";
import type { MemoryFs, TreeEntry } from "../support/memory_fs.ts";
import { seedCount, seeded } from "../support/seed.ts";
import { doSomething } from "../support/user.ts";
import { World } from "../support/world.ts";

const SEEDS = seedCount(40);
const FIRST = Number(Deno.env.get("SEED") ?? 1);

/** Notes the content of every file that is there. */
function note(fs: MemoryFs, held: Set<string>): void {
  for (const entry of Object.values(fs.tree())) if (entry.kind === "file") held.add(contentOf(entry));
}

function contentOf({ size, content }: TreeEntry): string {
  return `${size} ${content}`;
}

function assertWhole(world: World, held: ReadonlySet<string>, where: string): void {
  for (const [path, entry] of Object.entries(world.mirror.tree({ withoutPrivate: true }))) {
    if (entry.kind === "file") assert(held.has(contentOf(entry)), `${where}: "${path}" is a version that never was`);
  }
}

Deno.test("a server that crashes at any step of a commit leaves whole versions only, and heals", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const random = seeded(seed);
    const fuse: Fuse = { left: Infinity, count: 0 };
    using world = new World({ xattrs: true, wrapMirror: (fs) => faultFs(fs, fuse) });
    const held = new Set<string>();
    for (let i = 0; i < 15; i++) doSomething(world.source, random);
    note(world.source, held);
    assertEquals(await world.once(), 0, `seed ${seed}: first`);
    for (let round = 0; round < 6; round++) {
      for (let i = 1 + random(10); i > 0; i--) {
        doSomething(world.source, random);
        note(world.source, held);
      }
      const where = `seed ${seed}, round ${round}`;
      // The crash: the session that meets it ends, and what was under way stays where it was.
      fuse.left = random(30);
      const stop = world.live();
      await world.clock.pass(3000);
      world.stopServer();
      await stop();
      fuse.left = Infinity;
      assertWhole(world, held, where);
      world.startServer();
      assertEquals(await world.once(), 0, `${where}: after the crash`);
      assertWhole(world, held, where);
      assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree(), where);
      const litter = Object.keys(world.mirror.tree()).filter((path) => path.startsWith(`${PRIVATE}/`));
      assertEquals(litter, [`${PRIVATE}/id`, `${PRIVATE}/slots`, `${PRIVATE}/stage`], `${where}: litter`);
    }
  }
});
