// Whatever a user does, and however often the server is stopped meanwhile, the mirror can be brought back as it was at any moment:
// from today's tree, the history and its log.

import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../../core/path.ts";
import { dayOf, listHistory, logPath, readLog, type Stamp, stampOf, timeOf } from "../../server/history_log.ts";
import { Past, readChronicle } from "../../server/past.ts";
import { Restore } from "../../server/restore.ts";
import { MemoryFs, type TreeEntry } from "../support/memory_fs.ts";
import { seedCount, seeded } from "../support/seed.ts";
import { doSomething } from "../support/user.ts";
import { World } from "../support/world.ts";

const SEEDS = seedCount(40);
const FIRST = Number(Deno.env.get("SEED") ?? 1);

type Tree = Record<string, TreeEntry>;

/** The moment after the last commit. */
function afterLast(fs: MemoryFs): Stamp {
  const day = listHistory(fs).days.at(-1);
  const last = day === undefined ? undefined : readLog(fs, day).at(-1)?.at;
  return last === undefined ? stampOf(0) : stampOf(timeOf(last)! + 1);
}

/** The mirror as it was just before a moment, copied to a file system of its own. */
function treeAt(fs: MemoryFs, since: Stamp): { tree: Tree; restore: Restore } {
  const past = new Past(fs, readChronicle(fs, since).lines);
  let now = 0n;
  const to = new MemoryFs(() => now++);
  const restore = new Restore(fs, to, past);
  restore.copy(past.find(ROOT)!, ROOT, ROOT);
  return { tree: to.tree(), restore };
}

Deno.test("the mirror comes back as it was at any moment, names, contents, attributes and hard links", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const random = seeded(seed);
    using world = new World();
    const moments: { since: Stamp; tree: Tree }[] = [];
    const stop = world.live();
    await world.clock.pass(1000);
    for (let round = 0; round < 6; round++) {
      for (let i = random(15); i > 0; i--) {
        world.dirty.addPaths(doSomething(world.source, random));
        if (random(4) === 0) await world.clock.idle();
        if (random(10) === 0) world.cut();
      }
      if (random(6) === 0) {
        world.stopServer();
        world.startServer();
      }
      await world.clock.pass(120_000);
      moments.push({ since: afterLast(world.mirror), tree: world.mirror.tree({ withoutPrivate: true }) });
    }
    assertEquals(await stop(), 0);
    for (const [round, { since, tree }] of moments.entries()) {
      const { tree: restored, restore } = treeAt(world.mirror, since);
      assertEquals(restored, tree, `seed ${seed}, after round ${round}`);
      assertEquals(restore.done.problems, [], `seed ${seed}, after round ${round}`);
      assertEquals(restore.done.later, 0);
    }
  }
});

Deno.test("without the log, or with half of it, what is kept comes back, if not as exactly", async () => {
  for (let seed = FIRST; seed < FIRST + 10; seed++) {
    const random = seeded(seed);
    using world = new World();
    const kept = new Set<string>();
    for (let round = 0; round < 4; round++) {
      for (let i = 10; i > 0; i--) doSomething(world.source, random);
      await world.once();
      await world.clock.pass(60_000);
    }
    const { stamps, days } = listHistory(world.mirror);
    for (const [path, entry] of Object.entries(world.mirror.tree())) {
      if (entry.kind === "file" && stamps.includes(path.split("/")[2]!)) kept.add(`${entry.content}`);
    }
    assert(kept.size > 0, `seed ${seed}: nothing is kept`);
    const log = world.mirror.readFile(logPath(days[0]!));
    for (const length of [log.length >> 1, 0]) {
      if (length > 0) world.mirror.writeFile(logPath(days[0]!), log.subarray(0, length));
      else world.mirror.unlink(logPath(days[0]!));
      const found = new Set<string>();
      for (const stamp of stamps) {
        for (const { kind, content } of Object.values(treeAt(world.mirror, stamp).tree)) {
          if (kind === "file") found.add(`${content}`);
        }
      }
      assertEquals([...kept].filter((content) => !found.has(content)), [], `seed ${seed}, ${length} bytes of the log`);
    }
  }
});

Deno.test("after a year of thinning the mirror still comes back as it was at each midnight of the last month", async () => {
  for (let seed = FIRST; seed < FIRST + 5; seed++) {
    const random = seeded(seed);
    using world = new World({ history: { days: 10 } });
    const midnights: { since: Stamp; tree: Tree }[] = [];
    for (let hour = 0; hour < 14 * 24; hour += 4) {
      for (let i = random(4); i > 0; i--) doSomething(world.source, random);
      assertEquals(await world.once(), 0);
      const next = world.clock.now() + 4 * 3_600_000, day = stampOf(next).slice(0, 10);
      if (day !== dayOf(stampOf(world.clock.now()))) {
        midnights.push({ since: `${day}T00-00-00.000Z`, tree: world.mirror.tree({ withoutPrivate: true }) });
      }
      await world.clock.pass(4 * 3_600_000);
    }
    for (const { since, tree } of midnights) {
      if (timeOf(since)! < world.clock.now() - 9 * 86_400_000) continue;
      const { tree: restored, restore } = treeAt(world.mirror, since);
      assertEquals(restored, tree, `seed ${seed}, ${since}`);
      assertEquals(restore.done.later, 0);
    }
  }
});
