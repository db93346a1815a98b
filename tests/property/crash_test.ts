// A server that crashes at any call that changes its disk, and is started again: every file in the mirror is, whole, one that the
// source held (P2), whatever a file of the mirror ever held is in the mirror or in its history (P3), no litter stays, and the next
// sync makes the mirror equal (P1). Meanwhile somebody else changes the mirror too.

import { assert, assertEquals } from "@std/assert";
import { removeTree } from "../../core/fs.ts";
import { isPrivateName, joinPath, PRIVATE, type RelPath, ROOT } from "../../core/path.ts";
import { HISTORY_DIR } from "../../server/places.ts";
import { faultFs, type Fuse, watchedFs } from "../support/fault_fs.ts";
import { type FsUser, type MemoryFs, SUPERUSER, type TreeEntry } from "../support/memory_fs.ts";
import { pick, type Random, seedCount, seeded } from "../support/seed.ts";
import { doSomething, everything } from "../support/user.ts";
import { World } from "../support/world.ts";

const SEEDS = seedCount(40);
/** Calls by which what a file holds may go. */
const MOVES = new Set(["rename", "renameNew", "exchange", "unlink", "link"]);
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

/** Notes what the files of the mirror hold, as far as it takes to tell them apart: at every change that is too often for digests. */
function glance(fs: MemoryFs, seen: Set<string>, dir: RelPath): void {
  for (const { name, stat } of fs.list(dir)) {
    const path = joinPath(dir, name);
    if (stat.kind === "dir") {
      if (dir !== ROOT || !isPrivateName(name)) glance(fs, seen, path);
    } else if (stat.kind === "file") {
      const bytes = fs.readFile(path);
      const some = [0, bytes.length >> 1, Math.max(0, bytes.length - 16)].map((at) =>
        bytes.subarray(at, at + 16).toHex()
      );
      seen.add(`${bytes.length} ${some}`);
    } else if (stat.kind === "symlink") seen.add(`link to ${fs.readLink(path)}`);
  }
}

/** Somebody on the server makes a file, or puts one in the place of another. What he destroys is his business. */
function meddle(fs: MemoryFs, random: Random, held: Set<string>, seen: Set<string>): void {
  const all = everything(fs).filter(({ path }) => !path.startsWith(PRIVATE));
  const { path, kind } = pick(random, all);
  const to = kind === "dir" ? joinPath(path, "foreign") : path;
  const before = new Set<string>(), without = new Set<string>();
  glance(fs, before, ROOT);
  if (fs.lstat(to)) removeTree(fs, to);
  glance(fs, without, ROOT);
  for (const lost of before) if (!without.has(lost)) seen.delete(lost);
  fs.writeFile(to, `somebody's ${random(1e9)}`);
  note(fs, held);
  glance(fs, seen, ROOT);
}

/** Servers on file systems with and without hard links and an atomic exchange. */
const USERS: readonly FsUser[] = [SUPERUSER, { ...SUPERUSER, exchange: false }, {
  ...SUPERUSER,
  exchange: false,
  hardLinks: false,
}];

Deno.test("a server that crashes at any step of a commit leaves whole versions only, and heals", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const random = seeded(seed);
    const fuse: Fuse = { left: Infinity, count: 0 };
    const serverUser = USERS[seed % USERS.length]!;
    /** What files of the mirror have held. */
    const seen = new Set<string>();
    const wrapMirror = (fs: MemoryFs) =>
      watchedFs(faultFs(fs, fuse), (call) => {
        if (MOVES.has(call)) glance(fs, seen, ROOT);
      });
    using world = new World({ xattrs: true, maxDelete: { percent: 100 }, serverUser, wrapMirror });
    const held = new Set<string>();
    for (let i = 0; i < 15; i++) doSomething(world.source, random);
    note(world.source, held);
    assertEquals(await world.once(), 0, `seed ${seed}: first`);
    for (let round = 0; round < 6; round++) {
      for (let i = 1 + random(10); i > 0; i--) {
        doSomething(world.source, random);
        note(world.source, held);
      }
      if (random(2) === 0) meddle(world.mirror, random, held, seen);
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
      const wanted = world.source.tree();
      // Without hard links every name is a file of its own.
      if (serverUser.hardLinks === false) {
        for (const [path, { linkedTo: _, ...entry }] of Object.entries(wanted)) wanted[path] = entry;
      }
      assertEquals(world.mirror.tree({ withoutPrivate: true }), wanted, where);
      const kept = new Set<string>();
      glance(world.mirror, kept, ROOT);
      if (world.mirror.lstat(HISTORY_DIR)) glance(world.mirror, kept, HISTORY_DIR);
      assertEquals([...seen].filter((content) => !kept.has(content)), [], `${where}: lost`);
      const litter = Object.keys(world.mirror.tree()).filter((path) =>
        path.startsWith(`${PRIVATE}/`) && !path.startsWith(HISTORY_DIR)
      );
      assertEquals(litter, [`${PRIVATE}/id`, `${PRIVATE}/slots`, `${PRIVATE}/stage`], `${where}: litter`);
    }
  }
});
