// Directories that come to their place with the small files that are to be in them: in one rename, and as if each had come by itself.

import { assert, assertEquals } from "@std/assert";
import { parsePath as p } from "../../core/path.ts";
import { contentOf, digestOf } from "../../core/recipe.ts";
import type { Message } from "../../core/wire.ts";
import { STAGE_DIR } from "../../server/places.ts";
import { plain } from "../support/entries.ts";
import { watchedFs } from "../support/fault_fs.ts";
import { type MemoryFs, systemError } from "../support/memory_fs.ts";
import { converse, frameOf, HELLO } from "../support/messages.ts";
import { World, type WorldOptions } from "../support/world.ts";

const mkdir = (path: string): Message => ({
  type: "mkdir",
  path: p(path),
  entry: { kind: "dir", ...plain(0o750, 5n) },
});
const symlink = (path: string): Message => ({
  type: "symlink",
  path: p(path),
  entry: { kind: "symlink", ...plain(0o777, 5n), target: "target" },
});
const move = (from: string, to: string): Message => ({ type: "move", from: p(from), to: p(to) });

function whole(path: string, text: string): Message {
  const bytes = new TextEncoder().encode(text), lengths = [bytes.length], average = 2048;
  const content = contentOf({ average, lengths, digests: [digestOf(bytes)] });
  return {
    type: "whole",
    path: p(path),
    attributes: plain(0o640, 7n),
    sparse: false,
    average,
    content,
    lengths,
    bytes,
  };
}

/** A mirror, and what is renamed into it. */
function sceneOf(options: WorldOptions = {}): { world: World; renames: string[]; [Symbol.dispose](): void } {
  const renames: string[] = [];
  const wrapMirror = (fs: MemoryFs) =>
    watchedFs(fs, (call, [from, to]) => {
      if (/^rename|^exchange/.test(call) && !`${to}`.startsWith(".dirsync")) {
        renames.push(`${from}`.split("/")[1] + " " + to);
      }
    });
  const world = new World({ wrapMirror, ...options });
  world.startServer();
  return { world, renames, [Symbol.dispose]: () => world[Symbol.dispose]() };
}

/** Sends steps and commits them. @returns The problems that the server told. */
async function commit(world: World, ...messages: Message[]): Promise<string[]> {
  const from = world.serverEvents.length;
  await converse(world, [frameOf(HELLO), frameOf(...messages, { type: "commit" }, { type: "commit" })], true);
  assertEquals(world.mirror.list(STAGE_DIR), [], "what is left in the stage");
  return world.serverEvents.slice(from).flatMap((told) =>
    told.event === "problem" ? `${told.path}: ${told.message}` : []
  );
}

function found({ mirror }: World): Record<string, string> {
  const entries = Object.entries(mirror.tree({ withoutPrivate: true }));
  return Object.fromEntries(entries.map(([path, { kind, content, target }]) => [path, content ?? target ?? kind]));
}

Deno.test("a directory comes to its place with its small files in one rename, and all is as it is to be", async () => {
  using scene = sceneOf();
  const { world, renames } = scene;
  for (const dir of ["d", "d/sub"]) world.source.mkdir(p(dir), 0o750);
  for (const file of ["d/1", "d/2", "d/sub/3"]) world.source.writeFile(p(file), file);
  world.source.writeFile(p("d/large"), new Uint8Array(100_000));
  world.source.setMeta(p("d"), { mode: 0o550, mtimeNs: 5n });
  await world.clock.pass(1000);
  assertEquals(await world.once(), 0);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
  assertEquals(renames.map((rename) => rename.split(" ")[1]), ["d", "d/large", "d/sub"]);
  // The index knows it all: nothing is sent again, nor read.
  world.stopServer();
  assertEquals(await world.once(), 0);
  assertEquals(renames.length, 3);
});

Deno.test("what has the name of a small file for a moment is replaced by it, in the order of the steps", async () => {
  for (const first of [symlink("d/a"), whole("d/a", "first")]) {
    using scene = sceneOf();
    assertEquals(await commit(scene.world, mkdir("d"), first, whole("d/a", "second")), []);
    assertEquals(found(scene.world), { d: "dir", "d/a": "second" });
  }
});

Deno.test("a small file comes to the directory that has its path when its step is done", async () => {
  using scene = sceneOf();
  const { world } = scene;
  const steps = [mkdir("d"), whole("d/a", "a"), move("d", "e"), mkdir("d"), whole("d/a", "another"), whole("e/b", "b")];
  assertEquals(await commit(world, ...steps), []);
  assertEquals(found(world), { d: "dir", "d/a": "another", e: "dir", "e/a": "a", "e/b": "b" });
  // Also one that is moved there before it gets its content, and one that comes with the next commit.
  const edited = [mkdir("f"), move("d/a", "f/a"), whole("f/a", "edited")];
  const later = [mkdir("g"), whole("g/a", "a"), { type: "commit" } as const, whole("g/b", "later")];
  assertEquals(await commit(world, ...edited, ...later), []);
  assertEquals(found(world), {
    d: "dir",
    e: "dir",
    "e/a": "a",
    "e/b": "b",
    f: "dir",
    "f/a": "edited",
    g: "dir",
    "g/a": "a",
    "g/b": "later",
  });
});

Deno.test("where something is in the place of a directory, what was to be in it is a problem, and nothing is left of it", async () => {
  let theirs = false;
  const wrapMirror = (fs: MemoryFs) =>
    watchedFs(fs, (call, [at]) => {
      if (call !== "mkdir" || !`${at}`.startsWith(`${STAGE_DIR}/`)) return;
      theirs = true;
      fs.mkdir(p("d"), 0o755);
      fs.writeFile(p("d/theirs"), "theirs");
    });
  using scene = sceneOf({ wrapMirror });
  assertEquals(await commit(scene.world, mkdir("d"), whole("d/a", "a")), [
    "d: on the server: something is there already",
    "d/a: on the server: there is no directory for it",
  ]);
  assert(theirs);
  assertEquals(found(scene.world), { d: "dir", "d/theirs": "theirs" });
});

Deno.test("a directory that cannot be renamed to its place is made there, and its files come by themselves", async () => {
  for (const what of ["mkdir", "renameNew"]) {
    const wrapMirror = (fs: MemoryFs) =>
      watchedFs(fs, (call, [at, to]) => {
        const isStaged = call === "mkdir" && `${at}`.startsWith(`${STAGE_DIR}/`);
        if (call === what && (isStaged || to === "d")) throw systemError("EBUSY", call, "d");
      });
    using scene = sceneOf({ wrapMirror });
    assertEquals(await commit(scene.world, mkdir("d"), whole("d/a", "a")), []);
    assertEquals(found(scene.world), { d: "dir", "d/a": "a" });
  }
});

Deno.test("what a client may not do in a directory is not done with the directory", async () => {
  using scene = sceneOf();
  const { world, renames } = scene;
  world.grant = { name: "laptop", access: "full", quotaBytes: 4 };
  await commit(world, mkdir("d"), whole("d/a", "a"), whole("d/b", "too large"));
  assertEquals(found(world), { d: "dir", "d/a": "a" });
  assertEquals(renames.map((rename) => rename.split(" ")[1]), ["d/a"]);
});

Deno.test("a file that did not arrive as it was sent is not in its directory", async () => {
  using scene = sceneOf();
  const { world } = scene;
  await commit(world, mkdir("d"), whole("d/a", "a"), { ...whole("d/b", "b"), content: "ab".repeat(32) } as Message);
  assertEquals(found(world), { d: "dir", "d/a": "a" });
});

Deno.test("what is left of a file that could not be staged, nor removed, does not come to the mirror with its directory", async () => {
  let opened = "", failed = 0;
  const seen = new Set<string>();
  const wrapMirror = (fs: MemoryFs) =>
    watchedFs(fs, (call, [at]) => {
      const there = fs.contents().get(p("d/b"));
      if (there !== undefined) seen.add(there);
      if (call === "createFile") opened = `${at}`;
      if (call === "write" && opened.endsWith("/b") && failed === 0 || call === "unlink" && failed === 1) {
        failed++;
        throw systemError("EIO", call, opened);
      }
    });
  using scene = sceneOf({ wrapMirror });
  const { world } = scene;
  world.source.mkdir(p("d"), 0o755);
  for (const file of ["d/a", "d/b"]) world.source.writeFile(p(file), file);
  await world.clock.pass(1000);
  assertEquals(await world.once(), 0);
  assertEquals([failed, ...seen], [2, "d/b"]);
  assertEquals(world.mirror.list(STAGE_DIR), []);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
});
