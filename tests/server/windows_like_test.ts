// A mirror on a file system that holds less than the source has: what it cannot hold is told, the rest goes on, and what its
// index remembers comes back.

import { assertEquals } from "@std/assert";
import { noAccounts } from "../../core/accounts.ts";
import { RememberedTree } from "../../client/remembered.ts";
import { type FileTree, type Stat } from "../../core/fs.ts";
import { isPrivateName, joinPath, parsePath as p, type RelPath, ROOT } from "../../core/path.ts";
import { seedCount, seeded } from "../support/seed.ts";
import { doSomething } from "../support/user.ts";
import { windowsLike } from "../support/windows_like.ts";
import { World } from "../support/world.ts";

const SEEDS = seedCount(30);
const FIRST = Number(Deno.env.get("SEED") ?? 1);

function told(world: World, event: "problem" | "warning"): string[] {
  const events = event === "problem" ? world.clientEvents : world.serverEvents;
  return events.flatMap((each) =>
    each.event !== event ? [] : [each.event === "problem" ? `${each.path}: ${each.message}` : each.message]
  ).sort();
}

/** All that is to be the same after the way there and back. */
function everythingIn(tree: FileTree): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const note = (path: RelPath, { kind, mode, mtimeNs, uid, gid, size }: Stat) => {
    const content = () => {
      using file = tree.openFile(path);
      const bytes = new Uint8Array(size);
      file.readAt(0, bytes);
      return bytes.join();
    };
    const about = kind === "file" ? content() : kind === "symlink" ? tree.readLink(path) : "";
    found[path] = [kind, kind === "symlink" ? "" : mode.toString(8), mtimeNs, uid, gid, about];
    if (kind !== "dir") return;
    for (const { name, stat } of tree.list(path)) if (!isPrivateName(name)) note(joinPath(path, name), stat);
  };
  note(ROOT, tree.lstat(ROOT)!);
  return found;
}

/** The mirror as a client on its machine would read it. */
function remembered(world: World): FileTree {
  return new RememberedTree(windowsLike(world.mirror), world.serverIndex, noAccounts);
}

Deno.test("each entry that a mirror cannot hold is one problem, with the reason; the rest is mirrored", async () => {
  using world = new World({ wrapMirror: windowsLike });
  const { source } = world;
  for (const name of ["D", "d", "d/deeper", "dot."]) source.mkdir(p(name), 0o755);
  for (const name of ["aux", "Case", "case", "d/deeper/in d", "D/in D", "dot./in dot"]) {
    source.writeFile(p(name), name);
  }
  assertEquals(await world.once(), 3);
  const twin = (name: string) => `on the server: the mirror's file system takes it for the same name as "${name}"`;
  const dot = 'on the server: Windows does not allow the name "dot.": it ends with a dot';
  assertEquals(told(world, "problem"), [
    'aux: on the server: Windows does not allow the name "aux": AUX is a device there',
    `case: ${twin("Case")}`,
    `d/deeper/in d: ${twin("D")}`,
    `d/deeper: ${twin("D")}`,
    `d: ${twin("D")}`,
    `dot./in dot: ${dot}`,
    `dot.: ${dot}`,
  ]);
  assertEquals(Object.keys(world.mirror.tree({ withoutPrivate: true })), ["Case", "D", "D/in D"]);
});

Deno.test("what a mirror's file system has no notion of is told once, where there is something to lose", async () => {
  using between = new World({ wrapSource: windowsLike, wrapMirror: windowsLike });
  between.source.writeFile(p("a"), "a");
  assertEquals(await between.once(), 0);
  assertEquals(told(between, "warning"), []);
  using world = new World({ wrapMirror: windowsLike });
  for (const name of ["b", "c"]) {
    world.source.writeFile(p(name), name);
    world.source.setMeta(p(name), { mode: 0o600, mtimeNs: 1n });
    assertEquals(await world.once(), 0);
  }
  assertEquals(told(world, "warning"), [
    "the mirror's file system keeps no permission bits and owners; the mirror's index remembers them",
  ]);
});

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
      if (random(3) === 0) world.stopServer();
      const where = `seed ${seed}, round ${round}`;
      assertEquals(await world.once(), 0, `${where}: ${told(world, "problem")}`);
      assertEquals(everythingIn(remembered(world)), everythingIn(world.source), where);
    }
  }
});
