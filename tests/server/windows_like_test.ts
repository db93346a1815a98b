// A mirror on a file system that holds less than the source has: what it cannot hold is told, the rest goes on, and what its
// index remembers comes back.

import { assertEquals } from "@std/assert";
import { RememberedTree } from "../../client/remembered.ts";
import { noAccounts } from "../../core/accounts.ts";
import { parsePath as p } from "../../core/path.ts";
import { windowsLike, windowsWithoutLinks } from "../support/windows_like.ts";
import { World } from "../support/world.ts";

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
  assertEquals(world.told("problem"), [
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
  assertEquals(between.told("warning"), []);
  using world = new World({ wrapMirror: windowsLike });
  for (const name of ["b", "c"]) {
    world.source.writeFile(p(name), name);
    world.source.setMeta(p(name), { mode: 0o600, mtimeNs: 1n });
    assertEquals(await world.once(), 0);
  }
  assertEquals(world.told("warning"), [
    "the mirror's file system keeps no permission bits and owners; the mirror's index remembers them",
  ]);
});

Deno.test("what is changed in a mirror is given back with the mode and owner that its file system has no notion of", async () => {
  using world = new World({ wrapMirror: windowsLike });
  world.source.writeFile(p("tool"), "old");
  world.source.setMeta(p("tool"), { mode: 0o2755, mtimeNs: 1n });
  world.source.chown(p("tool"), 1000, 100);
  world.source.setMeta(p("tool"), { mode: 0o2755, mtimeNs: 1n });
  assertEquals(await world.once(), 0);
  world.stopServer();
  const tree = new RememberedTree(windowsLike(world.mirror), world.serverDatabase.open(), noAccounts);
  world.mirror.writeFile(p("tool"), "new");
  const { mode, uid, gid, mtimeNs } = tree.lstat(p("tool"))!;
  assertEquals([mode, uid, gid], [0o2755, 1000, 100]);
  assertEquals(mtimeNs, world.mirror.lstat(p("tool"))!.mtimeNs);
  // Else a client would take what it says of them for what the mirror's file system says.
  assertEquals([tree.features.modes, tree.features.owners], [true, true]);
});

Deno.test("a symbolic link that cannot be made is a problem of its own, told once; the rest is mirrored", async () => {
  using world = new World({ wrapMirror: windowsWithoutLinks });
  world.source.symlink(p("link"), "file");
  world.source.writeFile(p("file"), "a file");
  for (let times = 0; times < 2; times++) assertEquals(await world.once(), 3);
  assertEquals(new Set(world.told("problem")), new Set(["link: on the server: this system makes no symbolic links"]));
  assertEquals(Object.keys(world.mirror.tree({ withoutPrivate: true })), ["file"]);
});
