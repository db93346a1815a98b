// A restart where little or nothing has changed: directories are known by their prints, and what did change is found all the same.

import { assert, assertEquals } from "@std/assert";
import type { FileSystem } from "../../core/fs.ts";
import { noAccounts } from "../../core/accounts.ts";
import { IgnoreRules } from "../../core/ignore.ts";
import { parsePath as p, type RelPath, ROOT } from "../../core/path.ts";
import { TreeIndex } from "../../core/tree_index.ts";
import { SourceAttributes } from "../../client/attributes.ts";
import { type EarlyLook, lookEarly } from "../../client/early_look.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { watchedFs } from "../support/fault_fs.ts";
import { MemoryFs, systemError } from "../support/memory_fs.ts";
import { MountPoint } from "../support/mount_point.ts";
import { World, type WorldOptions } from "../support/world.ts";

/** Notes which directories are known by their prints. */
class Surveys {
  known: RelPath[] = [];
  unknown: RelPath[] = [];
  /** Called once, ahead of the next survey. */
  before: (() => void) | undefined;

  wrap = (fs: MemoryFs): FileSystem =>
    new Proxy<FileSystem>(fs, {
      get: (target, key) => {
        const value = Reflect.get(target, key, target);
        if (key !== "survey") return typeof value === "function" ? value.bind(target) : value;
        return (...args: Parameters<FileSystem["survey"]>) => {
          const { before } = this;
          this.before = undefined;
          before?.();
          const survey = target.survey(...args);
          (survey.isKnown ? this.known : this.unknown).push(args[0]);
          return survey;
        };
      },
    });

  take(): { known: string[]; unknown: string[] } {
    const taken = { known: this.known.sort(), unknown: this.unknown.sort() };
    this.known = [];
    this.unknown = [];
    return taken;
  }
}

const ALL = ["", "a", "a/b", "c"];

/**
 * A tree that has been mirrored, and looked at again so that all prints are known, on both sides.
 * @param isFresh Nothing is known: what was seen so soon after its last change was looked at by its names.
 */
async function settled(
  options: WorldOptions = {},
  isFresh = false,
): Promise<{ world: World; source: Surveys; mirror: Surveys; [Symbol.dispose](): void }> {
  const source = new Surveys(), mirror = new Surveys();
  const world = new World({ ...options, wrapSource: source.wrap, wrapMirror: mirror.wrap });
  for (const dir of ["a", "a/b", "c"]) world.source.mkdir(p(dir), 0o755);
  for (const file of ["a/1", "a/b/2", "c/3", "4"]) world.source.writeFile(p(file), file);
  if (!isFresh) await world.clock.pass(1000);
  for (let i = 0; i < (isFresh ? 1 : 2); i++) assertEquals(await world.once(), 0);
  source.take();
  mirror.take();
  return { world, source, mirror, [Symbol.dispose]: () => world[Symbol.dispose]() };
}

Deno.test("where nothing has changed both sides know each directory by its print, at one look", async () => {
  using scene = await settled();
  assertEquals(await scene.world.once(), 0);
  for (const side of [scene.source, scene.mirror]) assertEquals(side.take(), { known: ALL, unknown: [] });
});

Deno.test("the look at which all is sent learns the prints, without another", async () => {
  const source = new Surveys();
  using world = new World({ wrapSource: source.wrap });
  for (const dir of ["a", "a/b", "c", "c/linked", "c/ignoring"]) world.source.mkdir(p(dir), 0o755);
  for (const file of ["a/1", "a/b/2", "c/3", "c/linked/5", "c/ignoring/.dirsyncignore", "4"]) {
    world.source.writeFile(p(file), file);
  }
  world.source.link(p("c/linked/5"), p("c/linked/6"));
  await world.clock.pass(1000);
  assertEquals(await world.once(), 0);
  const all = [...ALL, "c/ignoring", "c/linked"];
  assertEquals(source.take(), { known: [], unknown: all });
  world.source.writeFile(p("a/1"), "another");
  world.source.mkdir(p("a/new"), 0o700);
  await world.clock.pass(1000);
  // Of what has changed, too.
  for (const unknown of [["", "a", "a/new", "c/ignoring"], ["c/ignoring"]]) {
    assertEquals(await world.once(), 0);
    assertEquals(source.take().unknown, unknown);
  }
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
});

Deno.test("once its client has gone, the server learns the prints of what that has changed", async () => {
  const mirror = new Surveys();
  using world = new World({ wrapMirror: mirror.wrap });
  for (const dir of ["a", "a/b", "c"]) world.source.mkdir(p(dir), 0o755);
  for (const file of ["a/1", "a/b/2", "c/3", "4"]) world.source.writeFile(p(file), file);
  await world.clock.pass(1000);
  assertEquals(await world.once(), 0);
  // It has not had the time.
  assertEquals(mirror.take(), { known: [], unknown: [""] });
  await world.clock.pass(100);
  assertEquals(mirror.take(), { known: [], unknown: ALL });
  assertEquals(await world.once(), 0);
  assertEquals(mirror.take(), { known: ALL, unknown: [] });
  // Nothing was changed, so nothing is to be learnt.
  await world.clock.pass(100);
  assertEquals(mirror.take(), { known: [], unknown: [] });
  world.source.writeFile(p("a/b/2"), "another");
  await world.clock.pass(1000);
  assertEquals(await world.once(), 0);
  mirror.take();
  // What somebody else makes of it meanwhile is not learnt, but found.
  world.mirror.unlink(p("a/b/2"));
  await world.clock.pass(100);
  assertEquals(mirror.take().unknown, ["a/b"]);
  assertEquals(await world.once(), 0);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
});

Deno.test("a client that comes is not kept waiting by what the server learns beside", async () => {
  const mirror = new Surveys();
  using world = new World({ wrapMirror: mirror.wrap });
  world.source.writeFile(p("a"), "a");
  await world.clock.pass(1000);
  assertEquals(await world.once(), 0);
  mirror.take();
  world.source.writeFile(p("b"), "b");
  const stop = world.live();
  await world.clock.pass(1000);
  // One look, its own, and none at what it has changed since.
  assertEquals(mirror.take().unknown, [""]);
  await stop();
});

Deno.test("what could not be done leaves its directory without a print", async () => {
  const source = new Surveys();
  let isBroken = true;
  const wrapSource = (fs: MemoryFs) =>
    watchedFs(source.wrap(fs), (call, [at]) => {
      if (call === "openFile" && at === "a/1" && isBroken) throw systemError("EIO", call, "a/1");
    });
  using world = new World({ wrapSource });
  for (const dir of ["a", "c"]) world.source.mkdir(p(dir), 0o755);
  for (const file of ["a/1", "a/2", "c/3"]) world.source.writeFile(p(file), file);
  await world.clock.pass(1000);
  assertEquals(await world.once(), 3);
  source.take();
  isBroken = false;
  assertEquals(await world.once(), 0);
  assertEquals(source.take(), { known: ["", "c"], unknown: ["a"] });
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
});

Deno.test("the first look at what was seen too soon surveys each directory once, and learns its print", async () => {
  using scene = await settled({}, true);
  const { world } = scene;
  await world.clock.pass(1000);
  assertEquals(await world.once(), 0);
  assertEquals(scene.source.take(), { known: [], unknown: ALL });
  assertEquals(await world.once(), 0);
  assertEquals(scene.source.take(), { known: ALL, unknown: [] });
});

Deno.test("a dry run learns nothing from its early look", async () => {
  using scene = await settled({}, true);
  const { world } = scene;
  for (let i = 0; i < 2; i++) {
    assertEquals(await world.once({ source: { source: "here:/source", sourceId: "x", dryRun: true } }), 0);
    assertEquals(scene.source.take().unknown, ALL);
  }
});

Deno.test("an early look keeps a limited number of entries in which something differs, and takes a limited time", () => {
  const fs = new MemoryFs(new FakeClock().nowNs);
  using index = new TreeIndex(":memory:");
  for (let dir = 0; dir < 11; dir++) {
    fs.mkdir(p(`d${dir}`), 0o755);
    for (let i = 0; i < 5000; i++) fs.writeFile(p(`d${dir}/${i}`), "");
  }
  const attributes = new SourceAttributes(fs, index, { xattrs: false, accounts: noAccounts });
  let now = 0;
  const deps = { fs, index, attributes, rules: new IgnoreRules([]), keep: true };
  const kept = (look: EarlyLook | undefined) =>
    fs.list(ROOT).filter(({ name }) => look!.survey(p(name), undefined)).length;
  assertEquals(kept(lookEarly({ ...deps, now: () => now })), 9);
  assertEquals(kept(lookEarly({ ...deps, now: () => now += 300 })), 2);
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

const TELLINGS: Record<string, (world: World) => void> = {
  "its name": ({ dirty }) => dirty.addPaths([p("a/b/2")]),
  "no name": ({ dirty }) => dirty.addAll(),
  "a second look that is due": ({ dirty, clock }) => dirty.addNamesLater(p("a/b"), clock.now()),
};
for (const [how, tell] of Object.entries(TELLINGS)) {
  Deno.test(`what changes after the early look is found, told by ${how}`, async () => {
    using scene = await settled();
    const { world, mirror } = scene;
    mirror.before = () => {
      world.source.writeFile(p("a/b/2"), "other");
      tell(world);
    };
    assertEquals(await world.once(), 0);
    assertEquals(mirror.before, undefined);
    assertEquals(new TextDecoder().decode(world.mirror.readFile(p("a/b/2"))), "other");
  });
}

Deno.test("the early look counts for no other mirror, and for no later look", async () => {
  using scene = await settled();
  const { world, source } = scene;
  world.stopServer();
  world.serverDatabase.forget();
  assertEquals(await world.once(), 0);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
  source.take();
  const stop = world.live();
  await world.clock.pass(100);
  assertEquals(source.take().known, ALL);
  world.dirty.addAll();
  await world.clock.pass(100);
  assertEquals(source.take().known, ALL);
  await stop();
});

/** A tree of 40 files that has been mirrored, at a mount point, and what happens there while the server looks at its mirror. */
async function mounted(): Promise<
  { world: World; place: MountPoint; empty: MemoryFs; meanwhile: (act: () => void) => void }
> {
  const place = new MountPoint();
  let act: (() => void) | undefined;
  const wrapMirror = (fs: MemoryFs) =>
    watchedFs(fs, (call, [at]) => {
      if (call !== "survey" || at !== ROOT) return;
      act?.();
      act = undefined;
    });
  const world = new World({ wrapSource: (fs) => place.fs(fs), wrapMirror });
  world.source.mkdir(p("a"), 0o755);
  for (let i = 0; i < 40; i++) world.source.writeFile(p(i % 2 === 0 ? `file${i}` : `a/file${i}`), `content ${i}`);
  await world.clock.pass(1000);
  for (let i = 0; i < 2; i++) assertEquals(await world.once(), 0);
  world.stopServer();
  const empty = new MemoryFs(world.clock.nowNs, undefined, undefined, 99n);
  return { world, place, empty, meanwhile: (then) => act = then };
}

Deno.test("a drive that is mounted after the early look does not count as empty", async () => {
  const { world, place, empty, meanwhile } = await mounted();
  using _ = world;
  place.at = empty;
  meanwhile(() => place.at = world.source);
  assertEquals(await world.once(), 0);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
});

Deno.test("a drive that goes after the early look is not forgotten for what is at its place", async () => {
  const { world, place, empty, meanwhile } = await mounted();
  using _ = world;
  // Something that is known without reading it.
  world.source.setMeta(p("a"), { mode: 0o700, mtimeNs: 5n });
  await world.clock.pass(1000);
  const before = Object.keys(world.mirror.tree({ withoutPrivate: true }));
  meanwhile(() => place.at = empty);
  for (let i = 0; i < 3; i++) {
    assertEquals(await world.once(), 3);
    assertEquals(Object.keys(world.mirror.tree({ withoutPrivate: true })), before);
  }
  place.at = world.source;
  assertEquals(await world.once(), 0);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
});

Deno.test("what moves after the early look to where that looked, from where the scan looks, is in the mirror", async () => {
  const { world, meanwhile } = await mounted();
  using _ = world;
  // So the scan looks at it anew.
  world.mirror.writeFile(p("a/file1"), "somebody's");
  meanwhile(() => world.source.rename(p("a/file3"), p("moved")));
  assertEquals(await world.once(), 0);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
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

Deno.test("what is excluded from now on is not mirrored, and what is not any more is", async () => {
  using scene = await settled();
  const { world } = scene;
  world.source.writeFile(p("a/b/new"), "1");
  assertEquals(await world.once({ rules: new IgnoreRules(["/a/b"]) }), 0);
  assert(!world.mirror.lstat(p("a/b/new")));
  // All else is known by its print then.
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

Deno.test("extended attributes that could not be read when they were first asked for are mirrored later", async () => {
  let isBroken = true;
  const wrapSource = (fs: MemoryFs) =>
    watchedFs(fs, (call, [at]) => {
      if (call === "xattrs" && at === "a/1" && isBroken) throw systemError("EIO", call, "a/1");
    });
  using world = new World({ wrapSource });
  world.source.mkdir(p("a"), 0o755);
  for (const file of ["a/1", "a/2"]) {
    world.source.writeFile(p(file), file);
    world.source.setXattrs(p(file), new Map([["user.a", Uint8Array.of(1)]]));
  }
  await world.clock.pass(1000);
  for (let i = 0; i < 2; i++) assertEquals(await world.once(), 0);
  assertEquals(await world.once({ xattrs: true }), 3);
  isBroken = false;
  assertEquals(await world.once({ xattrs: true }), 0);
  assertEquals(["a/1", "a/2"].map((path) => world.mirror.xattrs(p(path)).size), [1, 1]);
});
