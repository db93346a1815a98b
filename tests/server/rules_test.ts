// What a grant does not allow is not done: by clients that know nothing of it, and by one that tries everything.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Access } from "../../core/grant.ts";
import { parsePath, type RelPath } from "../../core/path.ts";
import { contentOf, digestOf } from "../../core/recipe.ts";
import type { Message } from "../../core/wire.ts";
import { random } from "../support/contents.ts";
import { plain } from "../support/entries.ts";
import { faultFs, type Fuse } from "../support/fault_fs.ts";
import { converse, frameOf, HELLO } from "../support/messages.ts";
import { World, type WorldOptions } from "../support/world.ts";

const path = parsePath;
const SEEDS = 60;

/** A mirror with some files in it, and from now on a client with less than all rights. */
async function scene(access: Access, quotaBytes?: number, options?: WorldOptions): Promise<World> {
  const world = new World(options);
  world.source.mkdir(path("dir"), 0o755);
  world.source.mkdir(path("dir/deep"), 0o755);
  for (const name of ["a", "b", "dir/c", "dir/deep/d"]) world.source.writeFile(path(name), `content of ${name}`);
  assertEquals(await world.once(), 0);
  world.grant = { name: "laptop", access, ...(quotaBytes !== undefined && { quotaBytes }) };
  return world;
}

function contents(world: World): string[] {
  return Object.values(files(world)).sort();
}

/** Content by path. */
function files(world: World): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (dir: RelPath) => {
    for (const { name, stat } of world.mirror.list(dir)) {
      if (name === ".dirsync") continue;
      const at = path(dir === "" ? name : `${dir}/${name}`);
      if (stat.kind === "dir") walk(at);
      else if (stat.kind === "symlink") found[at] = `link ${world.mirror.readLink(at)}`;
      else found[at] = `${stat.mode.toString(8)} ${new TextDecoder().decode(world.mirror.readFile(at))}`;
    }
  };
  walk(path(""));
  return found;
}

function problems(world: World): Record<string, string> {
  return Object.fromEntries(
    world.clientEvents.flatMap((event) => event.event === "problem" ? [[event.path, event.message]] : []),
  );
}

Deno.test("read-only: a push is refused for good, a dry run is answered", async () => {
  using world = await scene("read-only");
  world.source.writeFile(path("new"), "new");
  const { message } = await world.once().then(() => new Error("pushed"), (error) => error);
  assertMatch(message, /refuses: this client may only compare/);
  const source = { source: "here:/source", sourceId: "x", dryRun: true };
  assertEquals(await world.once({ source }), 0);
  assert(world.clientEvents.some((event) => event.event === "planned" && event.changes > 0));
  assert(!("new" in files(world)));
});

Deno.test("add-only: what is new arrives; what is there stays, and each is a problem of its path", async () => {
  using world = await scene("add-only");
  const before = files(world);
  world.source.writeFile(path("dir/new"), "new");
  world.source.mkdir(path("more"), 0o755);
  world.source.writeFile(path("more/x"), "x");
  world.source.writeFile(path("a"), "changed");
  world.source.unlink(path("b"));
  world.source.rename(path("dir/c"), path("dir/moved"));
  assertEquals(await world.once(), 3);
  assertEquals(files(world), {
    ...before,
    "dir/new": "644 new",
    "more/x": "644 x",
    // It may not be moved, but be there twice.
    "dir/moved": "644 content of dir/c",
  });
  const found = problems(world);
  for (const name of ["a", "b"]) assertEquals(found[name], "on the server: this client may only add files");
});

Deno.test("add-only: modes of what is there stay as they are, times of directories are set", async () => {
  using world = await scene("add-only");
  world.source.writeFile(path("dir/new"), "new");
  assertEquals(await world.once(), 0, "the time of a directory that was added to");
  world.source.setMeta(path("a"), { mode: 0o600, mtimeNs: world.clock.nowNs() });
  world.source.setMeta(path("dir"), { mode: 0o700, mtimeNs: world.clock.nowNs() });
  assertEquals(await world.once(), 3);
  assertEquals([world.mirror.lstat(path("a"))!.mode, world.mirror.lstat(path("dir"))!.mode], [0o644, 0o755]);
});

Deno.test("no-delete: changes and moves are made, removals are problems and undone by nothing", async () => {
  using world = await scene("no-delete");
  world.source.writeFile(path("a"), "changed");
  world.source.rename(path("b"), path("renamed"));
  world.source.unlink(path("dir/c"));
  // A save by renaming over the old version.
  world.source.writeFile(path("temporary"), "saved");
  world.source.rename(path("temporary"), path("dir/deep/d"));
  assertEquals(await world.once(), 3);
  assertEquals(files(world), {
    "a": "644 changed",
    "renamed": "644 content of b",
    "dir/c": "644 content of dir/c",
    "dir/deep/d": "644 saved",
  });
  assertEquals(problems(world), { "dir/c": "on the server: this client may not remove files" });
});

Deno.test("no-delete: files that swap their names, in one step and with a directory that moves, are no removal", async () => {
  using world = await scene("no-delete");
  world.source.rename(path("a"), path("t"));
  world.source.rename(path("b"), path("a"));
  world.source.rename(path("t"), path("b"));
  world.source.rename(path("dir"), path("folder"));
  assertEquals(await world.once(), 0, JSON.stringify(problems(world)));
  assertEquals(files(world)["a"], "644 content of b");
  assertEquals(files(world)["b"], "644 content of a");
});

Deno.test("a quota is kept to: what does not fit is a problem, what takes no more is not, and removing makes room", async () => {
  using world = await scene("full", 1000);
  world.source.writeFile(path("large"), "x".repeat(900));
  world.source.writeFile(path("larger"), "x".repeat(940));
  assertEquals(await world.once(), 3);
  const sizes = () => contents(world).reduce((sum, content) => sum + content.length - 4, 0);
  assert(sizes() <= 1000 && sizes() > 900, String(sizes()));
  assertEquals(problems(world), { "larger": "on the server: the quota of 1.0 kB is used up" });
  // The same size again, and less, at the limit.
  world.source.writeFile(path("large"), "y".repeat(900));
  world.source.writeFile(path("a"), "a");
  await world.once();
  assertEquals([files(world)["large"], files(world)["a"]], [`644 ${"y".repeat(900)}`, "644 a"]);
  world.source.unlink(path("large"));
  await world.once();
  assertEquals(await world.once(), 0);
  assertEquals(files(world)["larger"], `644 ${"x".repeat(940)}`);
});

Deno.test("a quota counts each file that is staged, also one that is staged over and over before a commit", async () => {
  using world = await scene("full", 1000);
  const bytes = new TextEncoder().encode("x".repeat(300));
  const lengths = [bytes.length];
  const content = contentOf({ average: 2048, lengths, digests: [digestOf(bytes)] });
  const attributes = plain(0o644, 1n);
  const again: Message = {
    type: "whole",
    path: path("over"),
    attributes,
    sparse: false,
    average: 2048,
    content,
    lengths,
    bytes,
  };
  const link = await world.dial();
  await link.send(frameOf(HELLO, ...Array(50).fill(again)));
  await world.clock.idle();
  const staged = world.mirror.list(".dirsync/stage" as RelPath);
  assert(staged.length <= 3, `${staged.length} of 300 bytes wait`);
  link.close();
  await world.clock.idle();
});

/** Steps without sense, and with it: whatever could make something vanish. */
function hostileSteps(access: Access, seed: number): Message[] {
  const below = random(seed);
  const known = ["a", "b", "dir", "dir/c", "dir/deep", "dir/deep/d", "new0", "new1", "dir/new2", "dir/deep/new3"];
  const pick = () => path(known[below(known.length)]!);
  let fresh = 0;
  // A move over something replaces it, which "no-delete" allows: here places are new, so that nothing may be lost.
  const place = () =>
    access === "add-only" ? pick() : path(`${["", "dir/", "new0/"][below(3)]}fresh${seed}-${fresh++}`);
  const makers: (() => Message)[] = [
    () => ({ type: "remove", path: pick() }),
    () => ({ type: "remove", path: path("") }),
    () => ({ type: "park", path: pick(), slot: below(4), stays: below(2) === 0 }),
    () => ({ type: "park", path: pick(), slot: below(4), stays: below(2) === 0 }),
    () => ({ type: "unpark", slot: below(4), below: path(["", "c", "deep/d"][below(3)]!), to: place() }),
    () => ({ type: "drop", slot: below(4) }),
    () => ({ type: "drop", slot: below(4) }),
    () => {
      const to = place();
      known.push(to);
      return { type: "move", from: pick(), to };
    },
    () => ({ type: "mkdir", path: pick(), entry: { kind: "dir", ...plain(0o755, 1n) } }),
    () => ({ type: "meta", path: pick(), attributes: plain(below(2) ? 0o700 : 0o755, 5n) }),
    () => ({ type: "commit" }),
  ];
  const more: (() => Message)[] = [
    () => ({ type: "symlink", path: pick(), entry: { kind: "symlink", target: "x", ...plain(0o777, 1n) } }),
    () => ({ type: "link", path: pick(), to: pick() }),
  ];
  if (access === "add-only") makers.push(...more);
  return Array.from({ length: 5 + below(40) }, () => makers[below(makers.length)]!());
}

Deno.test("who may not do everything does not take a mirror away from the source that it is of", async () => {
  for (const access of ["add-only", "no-delete", "full"] as const) {
    using world = await scene(access);
    await converse(world, [frameOf({ ...HELLO, sourceId: "other" }, { type: "adopt" })], true);
    world.grant = undefined;
    const before = world.clientEvents.length;
    world.source.unlink(path("b"));
    assertEquals(await world.once(), access === "full" ? 3 : 0, access);
    const isHeld = world.clientEvents.slice(before).some(({ event }) => event === "held");
    assertEquals(isHeld, access === "full", access);
  }
  // Nor does it say which root it is of.
  for (const access of ["add-only", "full"] as const) {
    using world = await scene(access);
    const rooted = { type: "rooted", root: "another" } as const;
    await converse(world, [frameOf({ ...HELLO, sourceId: "other" }, rooted)], true);
    world.forgetClient();
    world.source.unlink(path("b"));
    const before = world.clientEvents.length;
    world.grant = undefined;
    assertEquals(await world.once(), access === "full" ? 3 : 0, access);
    const isHeld = world.clientEvents.slice(before).some(({ event }) => event === "held");
    assertEquals(isHeld, access === "full", access);
  }
  // A mirror that is nobody's yet is whose it is made from.
  using world = new World();
  world.grant = { name: "laptop", access: "add-only" };
  world.source.writeFile(path("a"), "a");
  assertEquals(await world.once(), 0);
  // The same client may have lost its state, and be another source since.
  await converse(world, [frameOf({ ...HELLO, sourceId: "other" }, { type: "adopt" })], true);
  world.grant = undefined;
  world.source.unlink(path("a"));
  assertEquals(await world.once(), 3);
});

Deno.test("what a grant denies is not carried out by the server that starts after a crash either, wherever that was", async () => {
  const denied: [Access, Message[]][] = [
    ["no-delete", [{ type: "remove", path: path("a") }]],
    ["add-only", [{ type: "remove", path: path("a") }]],
    ["add-only", [{ type: "meta", path: path("a"), attributes: plain(0o600, 5n) }]],
    ["add-only", [{ type: "move", from: path("a"), to: path("moved") }]],
  ];
  const fresh: Message = { type: "mkdir", path: path("fresh"), entry: { kind: "dir", ...plain(0o755, 1n) } };
  for (const [access, steps] of denied) {
    let crashes = 0;
    for (let calls = 0, over = false; !over; calls++) {
      const fuse: Fuse = { left: Infinity, count: 0 };
      using world = await scene(access, undefined, { wrapMirror: (fs) => faultFs(fs, fuse) });
      const before = files(world);
      const link = await world.dial();
      await link.send(frameOf(HELLO));
      await world.clock.idle();
      fuse.left = calls;
      await link.send(frameOf(fresh, ...steps, { type: "commit" }));
      await world.clock.idle();
      over = fuse.left >= 0;
      crashes += Number(!over);
      world.stopServer();
      fuse.left = Infinity;
      world.startServer();
      assertEquals(files(world), before, `${access}, ${steps[0]!.type}, crashed after ${calls} calls`);
    }
    assert(crashes > 2, `${crashes} crashes`);
  }
});

for (const access of ["add-only", "no-delete"] as const) {
  Deno.test(`${access}: whatever a client sends, and whenever it goes away, nothing is lost`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      using world = await scene(access);
      const before = files(world);
      for (let round = 0; round < 2; round++) {
        const steps = hostileSteps(access, seed * 10 + round);
        await converse(world, [frameOf(HELLO, ...steps, { type: "commit" })], true);
        if (round === 1) {
          world.stopServer();
          world.startServer();
          await converse(world, [frameOf(HELLO)], true);
        }
        const after = files(world);
        const told = `seed ${seed}, round ${round}\n${
          steps.map((step) => JSON.stringify(step, (_, value) => typeof value === "bigint" ? String(value) : value))
            .join("\n")
        }`;
        if (access === "add-only") {
          for (const [name, content] of Object.entries(before)) assertEquals(after[name], content, `${name}: ${told}`);
        } else {
          const texts = (all: Record<string, string>) => new Set(Object.values(all).map((text) => text.slice(4)));
          assertEquals([...texts(before)].filter((text) => !texts(after).has(text)), [], told);
        }
      }
    }
  });
}
