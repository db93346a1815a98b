// What the engines do over time, both in one process, under a clock that stands still until it is told to go on.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { SyncEvent } from "../../core/events.ts";
import type { FileSystem } from "../../core/fs.ts";
import { parsePath } from "../../core/path.ts";
import { PROTOCOL } from "../../core/wire.ts";
import { readServerMessage } from "../../core/wire_reader.ts";
import { STAGE_DIR } from "../../server/places.ts";
import { watchedFs } from "../support/fault_fs.ts";
import { converse, frameOf, HELLO } from "../support/messages.ts";
import { type MemoryFs, systemError } from "../support/memory_fs.ts";
import { World, type WorldOptions } from "../support/world.ts";

const FILE = parsePath("file");

/** A world with a live client that is level. */
async function liveWorld(options: WorldOptions = {}, prepare: (world: World) => void = () => {}) {
  const world = new World(options);
  prepare(world);
  const stop = world.live();
  await world.clock.pass(1000);
  return { world, stop };
}

function save(world: World, content: string): void {
  world.source.writeFile(FILE, content);
  world.dirty.addPaths([FILE]);
}

function mirrored(world: World): string {
  return new TextDecoder().decode(world.mirror.readFile(FILE));
}

function eventsOf<E extends SyncEvent["event"]>(events: readonly SyncEvent[], name: E): (SyncEvent & { event: E })[] {
  return events.filter((event) => event.event === name) as (SyncEvent & { event: E })[];
}

Deno.test("a save is sent at once when all is quiet", async () => {
  const { world, stop } = await liveWorld();
  using _ = world;
  const before = world.clock.now();
  save(world, "hello");
  await world.clock.idle();
  assertEquals(mirrored(world), "hello");
  assertEquals(world.clock.now(), before);
  await stop();
});

Deno.test("--updatemax holds a file back that changes again, and sends its last state once the interval is over", async () => {
  const { world, stop } = await liveWorld({ updatemaxMs: 10_000 });
  using _ = world;
  save(world, "first");
  await world.clock.pass(100);
  for (const content of ["second", "third", "last"]) {
    save(world, content);
    await world.clock.pass(2000);
    assertEquals(mirrored(world), "first");
  }
  await world.clock.pass(4000);
  assertEquals(mirrored(world), "last");
  const updates = eventsOf(world.clientEvents, "change").filter(({ change }) => change === "update");
  assertEquals(updates.length, 1);
  await stop();
});

Deno.test("a clock that is set, back or forth, holds nothing up and loses no change", async () => {
  const { world, stop } = await liveWorld({ updatemaxMs: 10_000 });
  using _ = world;
  for (const hours of [-1, 5, -24 * 365]) {
    save(world, `before ${hours}`);
    await world.clock.pass(20_000);
    save(world, `held ${hours}`);
    world.clock.set(hours * 3_600_000);
    await world.clock.pass(10_000);
    assertEquals(mirrored(world), `held ${hours}`);
    // Of the same size, in what is the same second as before for the files.
    save(world, `after ${hours}`);
    await world.clock.pass(20_000);
    assertEquals(mirrored(world), `after ${hours}`);
  }
  assertEquals(eventsOf(world.clientEvents, "waiting"), []);
  await stop();
});

Deno.test("--updatemax holds back neither other files nor a deletion", async () => {
  const { world, stop } = await liveWorld({ updatemaxMs: 10_000 });
  using _ = world;
  save(world, "first");
  await world.clock.pass(100);
  save(world, "second");
  const other = parsePath("other");
  world.source.writeFile(other, "x");
  world.dirty.addPaths([other]);
  await world.clock.pass(100);
  assert(world.mirror.lstat(other));
  world.source.unlink(FILE);
  world.dirty.addPaths([FILE]);
  await world.clock.pass(100);
  assertEquals(world.mirror.lstat(FILE), undefined);
  await stop();
});

Deno.test("a change in the very tick in which the file was read is found by the second look, without any event", async () => {
  const { world, stop } = await liveWorld();
  using _ = world;
  save(world, "one");
  await world.clock.idle();
  const { mtimeNs } = world.source.lstat(FILE)!;
  world.source.writeFile(FILE, "two");
  world.source.setMeta(FILE, { mtimeNs });
  await world.clock.pass(1000);
  assertEquals(mirrored(world), "two");
  await stop();
});

Deno.test("a file that cannot be read is told once, the rest goes on, and it is told when it is over", async () => {
  let denied = true;
  const wrapSource = (fs: FileSystem): FileSystem =>
    new Proxy(fs, {
      get: (target, key) => {
        const value = Reflect.get(target, key, target);
        if (key === "openFile") {
          return (path: string) => {
            if (path === "secret" && denied) throw new Deno.errors.PermissionDenied("no");
            return target.openFile(path as typeof FILE);
          };
        }
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  const { world, stop } = await liveWorld({ wrapSource }, (world) => {
    world.source.writeFile(parsePath("secret"), "s");
    world.source.writeFile(FILE, "x");
  });
  using _ = world;
  await world.clock.pass(30_000);
  assertEquals(mirrored(world), "x");
  assertEquals(eventsOf(world.clientEvents, "problem"), [{
    event: "problem",
    path: "secret",
    message: "permission denied",
  }]);
  denied = false;
  await world.clock.pass(300_000);
  assert(world.mirror.lstat(parsePath("secret")));
  assertEquals(eventsOf(world.clientEvents, "solved"), [{ event: "solved", path: "secret" }]);
  await stop();
});

Deno.test("--once names a file that never rests, ends with status 3, and mirrors the rest", async () => {
  const restless = parsePath("restless");
  const wrapSource = (fs: FileSystem): FileSystem =>
    new Proxy(fs, {
      get: (target, key) => {
        const value = Reflect.get(target, key, target);
        if (key === "openFile") {
          return (path: typeof FILE) => {
            if (path === restless) (target as World["source"]).appendFile(path, "more");
            return target.openFile(path);
          };
        }
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  using world = new World({ wrapSource });
  world.source.writeFile(restless, "x");
  world.source.writeFile(FILE, "calm");
  assertEquals(await world.once(), 3);
  assertEquals(mirrored(world), "calm");
  assertEquals(eventsOf(world.clientEvents, "problem").map(({ path }) => path), ["restless"]);
});

Deno.test("a file whose time lies in the future is not looked at over and over", async () => {
  const { world, stop } = await liveWorld({}, (world) => {
    world.source.writeFile(FILE, "x");
    world.source.setMeta(FILE, { mtimeNs: 4_000_000_000_000_000_000n });
  });
  using _ = world;
  await world.clock.pass(10_000);
  assertEquals(world.dirty.dueAt(), Infinity);
  await stop();
});

Deno.test("a directory that cannot be listed keeps what the mirror has of it", async () => {
  let denied = false;
  const wrapSource = (fs: FileSystem): FileSystem =>
    new Proxy(fs, {
      get: (target, key) => {
        const value = Reflect.get(target, key, target);
        if (key === "survey") {
          return (path: string, known: string | undefined) => {
            if (path === "dir" && denied) throw new Deno.errors.PermissionDenied("no");
            return target.survey(path as typeof FILE, known);
          };
        }
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  using world = new World({ wrapSource });
  world.source.mkdir(parsePath("dir"), 0o755);
  world.source.writeFile(parsePath("dir/file"), "x");
  assertEquals(await world.once(), 0);
  denied = true;
  assertEquals(await world.once(), 3);
  assert(world.mirror.lstat(parsePath("dir/file")));
});

Deno.test("a client waits for the server, and goes on by itself when it has been away", async () => {
  using world = new World();
  const stop = new AbortController();
  const running = world.engine(stop.signal).run();
  world.source.writeFile(FILE, "1");
  await world.clock.pass(60_000);
  assertEquals(eventsOf(world.clientEvents, "waiting").length, 1, "it is told once");
  world.startServer();
  await world.clock.pass(15_000);
  assertEquals(mirrored(world), "1");
  world.stopServer();
  world.source.writeFile(FILE, "22");
  await world.clock.pass(60_000);
  world.startServer();
  await world.clock.pass(15_000);
  assertEquals(mirrored(world), "22");
  stop.abort();
  assertEquals(await world.clock.until(running), 0);
});

Deno.test("a dry run changes nothing and names what --once then does", async () => {
  using world = new World();
  world.source.mkdir(parsePath("dir"), 0o755);
  world.source.writeFile(parsePath("dir/file"), "x".repeat(100_000));
  world.mirror.writeFile(parsePath("stray"), "x");
  const changes = () => eventsOf(world.clientEvents.splice(0), "change").map(({ change, path }) => `${change} ${path}`);
  const source = { source: "here:/source", sourceId: "x", dryRun: true };
  const before = world.mirror.tree();
  assertEquals(await world.once({ source }), 0);
  assertEquals(world.mirror.tree(), before);
  assertEquals(changes(), ["create dir", "create dir/file", "delete stray"]);
  assertEquals(await world.once(), 0);
  assertEquals(changes(), ["create dir", "create dir/file", "delete stray"]);
});

Deno.test("excluded paths are left alone on both sides", async () => {
  using world = new World({ exclude: ["*.log"] });
  world.source.writeFile(parsePath("a.log"), "source");
  world.mirror.writeFile(parsePath("b.log"), "mirror");
  world.source.writeFile(parsePath(".dirsyncignore"), "/private/\n");
  world.source.mkdir(parsePath("private"), 0o755);
  world.mirror.mkdir(parsePath("private"), 0o755);
  world.mirror.writeFile(parsePath("private/kept"), "mirror");
  assertEquals(await world.once(), 0);
  assertEquals(Object.keys(world.mirror.tree({ withoutPrivate: true })), [
    ".dirsyncignore",
    "b.log",
    "private",
    "private/kept",
  ]);
});

Deno.test("a mirror that was changed behind our back is repaired at the next connection", async () => {
  using world = new World();
  world.source.writeFile(FILE, "right");
  assertEquals(await world.once(), 0);
  world.mirror.writeFile(FILE, "wrong");
  assertEquals(await world.once(), 0);
  assertEquals(mirrored(world), "right");
});

Deno.test("a client whose index is lost reads everything, and sends no content that the mirror has", async () => {
  using world = new World();
  const content = new Uint8Array(300_000).map((_, i) => i * i >> 3);
  world.source.writeFile(FILE, content);
  assertEquals(await world.once(), 0);
  world.forgetClient();
  world.clientEvents.length = 0;
  assertEquals(await world.once(), 0);
  const [synced] = eventsOf(world.clientEvents, "synced");
  assertEquals(synced!.changed, 0);
  assert(synced!.sent < 300, `${synced!.sent} bytes`);
});

const NONSENSE: [name: string, frames: () => Uint8Array<ArrayBuffer>[], answer: RegExp][] = [
  ["garbage", () => [Uint8Array.from({ length: 500 }, (_, i) => i * 7 + 200)], /^refuse: A message of/],
  ["no hello", () => [frameOf({ type: "commit" })], /^refuse: The first message must be a hello/],
  ["another protocol", () => [frameOf({ ...HELLO, protocol: PROTOCOL + 1 })], /^refuse: .*older than the client/],
  ["two hellos", () => [frameOf(HELLO, HELLO)], /welcome,refuse: A second hello/],
  ["nothing at all", () => [], /^$/],
  [
    "a step in a dry run",
    () => [frameOf({ ...HELLO, dryRun: true }, { type: "remove", path: FILE })],
    /refuse: A dry run/,
  ],
  [
    "a part of no file",
    () => [frameOf(HELLO, { type: "literal", bytes: new Uint8Array(3) })],
    /refuse: A part of a file/,
  ],
];
for (const [name, frames, answer] of NONSENSE) {
  Deno.test(`a client that sends ${name} is sent away; nothing changes and the next one is served`, async () => {
    using world = new World();
    world.mirror.writeFile(FILE, "kept");
    world.startServer();
    assertMatch((await converse(world, frames())).join(","), answer);
    assertEquals(mirrored(world), "kept");
    world.source.writeFile(FILE, "from the real client");
    assertEquals(await world.once(), 0);
    assertEquals(mirrored(world), "from the real client");
  });
}

Deno.test("a dry run beside a client that pushes takes nothing away from it", async () => {
  const { world, stop } = await liveWorld({}, (world) => world.source.writeFile(FILE, "x"));
  using _ = world;
  assertEquals(await world.once({ source: { source: "here:/source", sourceId: "y", dryRun: true } }), 0);
  save(world, "after");
  await world.clock.pass(1000);
  assertEquals([mirrored(world), eventsOf(world.clientEvents, "problem")], ["after", []]);
  await stop();
});

Deno.test("a second client is refused by the name of the first, and served when that has gone", async () => {
  const { world, stop } = await liveWorld({}, (world) => world.source.writeFile(FILE, "x"));
  using _ = world;
  assertEquals(await converse(world, [frameOf({ ...HELLO, source: "there:/other" })]), [
    "refuse: another client pushes to this mirror: here:/source",
  ]);
  await stop();
  const link = await world.dial();
  await link.send(frameOf({ ...HELLO, source: "there:/other" }));
  await world.clock.idle();
  assertEquals(readServerMessage((await link.receive())!.subarray(4)).type, "welcome");
  link.close();
});

Deno.test("however long the paths are at which a mirror fails, its answer fits into a message", async () => {
  const full = (fs: MemoryFs) =>
    watchedFs(fs as FileSystem, (call, [at]) => {
      if (call === "createFile" && `${at}`.startsWith(STAGE_DIR)) throw systemError("EIO", "open", `${at}`);
    });
  using world = new World({ wrapMirror: full });
  const deep = Array(9).fill("d".repeat(200));
  for (let depth = 1; depth <= deep.length; depth++) {
    world.source.mkdir(parsePath(deep.slice(0, depth).join("/")), 0o755);
  }
  const files = Array.from({ length: 1500 }, (_, i) => `${deep.join("/")}/${i}`);
  for (const file of files) world.source.writeFile(parsePath(file), file);
  assertEquals(await world.once(), 3);
  const problems = world.clientEvents.filter(({ event }) => event === "problem");
  assertEquals(problems.length, files.length);
});
