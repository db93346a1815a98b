// A restart where little or nothing has changed: directories are known by their prints, and what did change is found all the same.

import { assert, assertEquals } from "@std/assert";
import type { FileSystem } from "../../core/fs.ts";
import { IgnoreRules } from "../../core/ignore.ts";
import { parsePath as p, type RelPath } from "../../core/path.ts";
import type { MemoryFs } from "../support/memory_fs.ts";
import { World, type WorldOptions } from "../support/world.ts";

/** Notes which directories are known by their prints. */
class Surveys {
  known = new Set<RelPath>();
  unknown = new Set<RelPath>();

  wrap = (fs: MemoryFs): FileSystem =>
    new Proxy<FileSystem>(fs, {
      get: (target, key) => {
        const value = Reflect.get(target, key, target);
        if (key !== "survey") return typeof value === "function" ? value.bind(target) : value;
        return (...args: Parameters<FileSystem["survey"]>) => {
          const survey = target.survey(...args);
          (survey.isKnown ? this.known : this.unknown).add(args[0]);
          return survey;
        };
      },
    });

  take(): { known: string[]; unknown: string[] } {
    const taken = { known: [...this.known].sort(), unknown: [...this.unknown].sort() };
    this.known.clear();
    this.unknown.clear();
    return taken;
  }
}

const ALL = ["", "a", "a/b", "c"];

/** A tree that has been mirrored, and looked at again so that all prints are known, on both sides. */
async function settled(
  options: WorldOptions = {},
): Promise<{ world: World; source: Surveys; mirror: Surveys; [Symbol.dispose](): void }> {
  const source = new Surveys(), mirror = new Surveys();
  const world = new World({ ...options, wrapSource: source.wrap, wrapMirror: mirror.wrap });
  for (const dir of ["a", "a/b", "c"]) world.source.mkdir(p(dir), 0o755);
  for (const file of ["a/1", "a/b/2", "c/3", "4"]) world.source.writeFile(p(file), file);
  await world.clock.pass(1000);
  for (let i = 0; i < 2; i++) assertEquals(await world.once(), 0);
  source.take();
  mirror.take();
  return { world, source, mirror, [Symbol.dispose]: () => world[Symbol.dispose]() };
}

Deno.test("where nothing has changed both sides know each directory by its print", async () => {
  using scene = await settled();
  assertEquals(await scene.world.once(), 0);
  for (const side of [scene.source, scene.mirror]) assertEquals(side.take(), { known: ALL, unknown: [] });
});

Deno.test("what has changed in the source is found, and only what is in its directory compared", async () => {
  using scene = await settled();
  const { world, source } = scene;
  world.source.writeFile(p("a/b/2"), "other");
  assertEquals(await world.once(), 0);
  assertEquals(new TextDecoder().decode(world.mirror.readFile(p("a/b/2"))), "other");
  const { known, unknown } = source.take();
  assertEquals(unknown, ["a/b"]);
  assert(known.includes("a"));
});

Deno.test("what somebody has changed in the mirror is found, also after a restart of the server", async () => {
  using scene = await settled();
  const { world, mirror } = scene;
  world.stopServer();
  world.mirror.unlink(p("c/3"));
  world.mirror.writeFile(p("a/5"), "somebody's");
  assertEquals(await world.once(), 0);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
  assertEquals(mirror.take().known, ["a/b"]);
});

Deno.test("what is excluded from now on is not looked into, and what is not any more is", async () => {
  using scene = await settled();
  const { world, source } = scene;
  world.source.writeFile(p("a/b/new"), "1");
  assertEquals(await world.once({ rules: new IgnoreRules(["/a/b"]) }), 0);
  assert(!world.mirror.lstat(p("a/b/new")));
  const { known, unknown } = source.take();
  assert(!known.includes("a/b") && !unknown.includes("a/b"));
  // Nothing else may hide it by then.
  assertEquals(await world.once({ rules: new IgnoreRules(["/a/b"]) }), 0);
  assertEquals(await world.once(), 0);
  assert(world.mirror.lstat(p("a/b/new")));
});

Deno.test("an ignore file that comes is read", async () => {
  using scene = await settled();
  const { world } = scene;
  world.source.writeFile(p("a/.dirsyncignore"), "1\n");
  assertEquals(await world.once(), 0);
  world.source.writeFile(p("a/1"), "not mirrored");
  for (let i = 0; i < 3; i++) assertEquals(await world.once(), 0);
  assertEquals(new TextDecoder().decode(world.mirror.readFile(p("a/1"))), "a/1");
});

Deno.test("what the mirror has lost, and the index was told of, is sent again", async () => {
  using scene = await settled();
  const { world } = scene;
  world.stopServer();
  world.mirror.unlink(p("a/b/2"));
  world.serverDatabase.forget();
  assertEquals(await world.once(), 0);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
});

Deno.test("what is asked for of all entries is asked for where prints are known, too", async () => {
  using scene = await settled();
  const { world } = scene;
  world.source.setXattrs(p("a/b"), new Map([["user.a", Uint8Array.of(1)]]));
  await world.clock.pass(1000);
  for (let i = 0; i < 3; i++) assertEquals(await world.once(), 0);
  assertEquals(await world.once({ xattrs: true }), 0);
  assertEquals(world.mirror.xattrs(p("a/b")).size, 1);
});
