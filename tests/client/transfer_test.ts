// What travels of a file of which the mirror has something already, and that it arrives whole whatever is wrong there.

import { assert, assertEquals } from "@std/assert";
import type { FileSystem } from "../../core/fs.ts";
import { isWithin, parsePath, type RelPath } from "../../core/path.ts";
import { STAGE_DIR } from "../../server/places.ts";
import { watchedFs } from "../support/fault_fs.ts";
import { CONTENTS, random } from "../support/contents.ts";
import { type MemoryFs, systemError } from "../support/memory_fs.ts";
import { seedCount } from "../support/seed.ts";
import { World } from "../support/world.ts";

const F = parsePath("f"), G = parsePath("g");
const AVERAGE = 16 << 10;
const SIZE = 40 * AVERAGE;

/** A world whose mirror has `content` at "f". */
async function level(content: Uint8Array): Promise<World> {
  const world = new World({ average: AVERAGE });
  world.source.writeFile(F, content);
  await bytesOfSync(world);
  return world;
}

/** Brings the mirror level and makes sure that it is. @returns The bytes that the client sent. */
async function bytesOfSync(world: World): Promise<number> {
  assertEquals(await world.once(), 0, JSON.stringify(world.clientEvents.slice(-3)));
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
  const synced = world.clientEvents.findLast((event) => event.event === "synced");
  return synced?.event === "synced" ? synced.sent : 0;
}

function content(seed = 1): Uint8Array<ArrayBuffer> {
  return CONTENTS.random(SIZE, random(seed)) as Uint8Array<ArrayBuffer>;
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

Deno.test("an edit of a byte costs its piece of a chunk, not the chunk", async () => {
  using world = await level(content());
  const edited = content();
  edited[SIZE / 2]! ^= 1;
  world.source.writeFile(F, edited);
  assert(await bytesOfSync(world) < 2500);
});

Deno.test("inserting and removing cost what is new and a piece on both sides", async () => {
  using world = await level(content());
  const old = content(), fresh = CONTENTS.random(100, random(9));
  world.source.writeFile(F, joined(old.subarray(0, 1000), fresh, old.subarray(1000)));
  assert(await bytesOfSync(world) < 2500);
  world.source.writeFile(F, joined(old.subarray(0, 300_000), old.subarray(305_000)));
  assert(await bytesOfSync(world) < 2500);
});

Deno.test("scattered edits cost a piece each", async () => {
  using world = await level(content());
  const edited = content();
  for (let at = 3 * AVERAGE; at < SIZE; at += 4 * AVERAGE) edited[at]! ^= 1;
  world.source.writeFile(F, edited);
  assert(await bytesOfSync(world) < 1000 + 10 * 1500);
});

Deno.test("appending costs what is appended", async () => {
  using world = await level(content());
  world.source.appendFile(F, CONTENTS.random(10_000, random(9)));
  assert(await bytesOfSync(world) < 10_000 + 2500);
});

Deno.test("a copy, and a file that is moved and edited, cost no content", async () => {
  using world = await level(content());
  world.source.writeFile(G, content());
  assert(await bytesOfSync(world) < 1000);
  world.source.unlink(F);
  const edited = content();
  edited[SIZE / 2]! ^= 1;
  world.source.writeFile(parsePath("elsewhere"), edited);
  assert(await bytesOfSync(world) < 3 * AVERAGE);
});

Deno.test("a file put together of others that are sent with it, keeps what it has of them", async () => {
  using world = await level(content());
  world.source.mkdir(parsePath("parts"), 0o755);
  const other = content(2);
  world.source.writeFile(parsePath("parts/other"), other);
  world.source.writeFile(parsePath("parts/whole"), joined(content().subarray(SIZE / 2), other));
  assert(await bytesOfSync(world) < SIZE + 5 * AVERAGE);
});

Deno.test("a mirror that was empty is sent nothing twice, and everything in its order", async () => {
  using world = new World({ average: 2048 });
  const old = content().subarray(0, 100_000);
  world.source.writeFile(F, old);
  world.source.writeFile(G, joined(old.subarray(10_000), CONTENTS.random(30_000, random(9)), old.subarray(50_000)));
  assert(await bytesOfSync(world) < 140_000);
});

Deno.test("stretches of a file that change places cost no content", async () => {
  using world = await level(content());
  const old = content();
  world.source.writeFile(F, joined(old.subarray(SIZE / 2), old.subarray(0, SIZE / 2)));
  assert(await bytesOfSync(world) < 4 * AVERAGE);
});

Deno.test("a client that has lost its index asks what the mirror holds", async () => {
  using world = await level(content());
  world.forgetClient();
  const edited = content();
  edited[SIZE / 2]! ^= 1;
  world.source.writeFile(F, edited);
  world.source.writeFile(G, content());
  assert(await bytesOfSync(world) < 5 * AVERAGE);
});

Deno.test("a touched file is not sent, a large one too, and leaves nothing in the stage", async () => {
  using world = new World({ average: 256 << 10 });
  world.source.writeFile(F, new Uint8Array(9 << 20).map((_, i) => i * i >> 8));
  await bytesOfSync(world);
  await world.clock.pass(5000);
  world.source.setMeta(F, { mtimeNs: 77n });
  assert(await bytesOfSync(world) < 500);
  assertEquals(world.mirror.list(STAGE_DIR), []);
});

Deno.test("the mirror copies nothing in vain of a large file whose time is as it was", async () => {
  let staged = 0;
  const wrapMirror = (fs: MemoryFs) =>
    watchedFs(fs, (call, [at]) => {
      if (call === "createFile" && isWithin(at as RelPath, STAGE_DIR)) staged++;
    });
  using world = new World({ wrapMirror });
  const large = CONTENTS.random(9 << 20, random(1));
  world.source.writeFile(F, large);
  // It is looked at twice, as it has changed just now.
  await bytesOfSync(world);
  assertEquals(staged, 1);
  world.source.setMeta(F, { mode: 0o600, mtimeNs: world.source.lstat(F)!.mtimeNs });
  await bytesOfSync(world);
  assertEquals(staged, 1);
  world.source.writeFile(F, joined(large.subarray(0, -1), Uint8Array.of(large.at(-1)! ^ 1)));
  await bytesOfSync(world);
  assertEquals(staged, 2);
});

Deno.test("what is not in the mirror as its index says, is found, and the file arrives all the same", async () => {
  for (const at of [0, SIZE / 2, SIZE - 1]) {
    using world = await level(content());
    world.mirror.spoil(F, at);
    const edited = content();
    edited[SIZE / 2 + 10]! ^= 1;
    world.source.writeFile(F, edited);
    assertEquals(await world.once(), 0);
    assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree(), `spoilt at ${at}`);
  }
});

Deno.test("a file whose patch does not come out right is sent without", async () => {
  const garbled = (fs: MemoryFs) =>
    new Proxy(fs as FileSystem, {
      get: (target, key) => {
        const value = Reflect.get(target, key, target);
        if (typeof value !== "function") return value;
        if (key !== "openFile") return value.bind(target);
        return (path: RelPath) => {
          const file = target.openFile(path);
          const readAt = file.readAt.bind(file);
          // Only parts of chunks are read so short.
          file.readAt = (offset, into) => {
            const count = readAt(offset, into);
            if (into.length < 1024 && offset < SIZE - 2048 && path === F) into[0]! ^= 1;
            return count;
          };
          return file;
        };
      },
    });
  using world = new World({ wrapMirror: garbled });
  world.source.writeFile(F, content());
  await bytesOfSync(world);
  const edited = content();
  for (let at = 0; at < 10_000; at += 1000) edited[SIZE / 2 + at]! ^= 1;
  world.source.writeFile(F, edited);
  const sent = await bytesOfSync(world);
  assert(sent > 8000 && sent < 40_000, `${sent} bytes`);
});

Deno.test("edits of any kind arrive whole, whatever is cut meanwhile", async () => {
  for (let seed = 1; seed <= seedCount(6); seed++) {
    const r = random(seed);
    let reads = 0, next = 40;
    const wrapSource = (fs: MemoryFs) =>
      watchedFs(fs, (call) => {
        if (call === "readAt" && ++reads === next) world.cut();
      });
    using world: World = new World({ average: 2048, wrapSource });
    let bytes = CONTENTS.random(200_000, r);
    for (let round = 0; round < 6; round++) {
      for (let edits = r(4); edits >= 0; edits--) {
        const at = r(bytes.length), fresh = CONTENTS.random(r(9000), r);
        bytes = joined(bytes.subarray(0, at), fresh, bytes.subarray(at + r(9000)));
      }
      world.source.writeFile(r(3) === 0 ? G : F, bytes);
      const stop = world.live();
      next = reads + r(6);
      await world.clock.pass(60_000);
      assertEquals(await stop(), 0);
      const where = `SEED ${seed}, round ${round}`;
      assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree(), where);
    }
  }
});

Deno.test("a file that fails again after it was held back is a problem that people are told of", async () => {
  let full = false;
  const wrapMirror = (fs: MemoryFs) =>
    new Proxy(fs as FileSystem, {
      get: (target, key) => {
        const value = Reflect.get(target, key, target);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          if (full && key === "createFile" && isWithin(args[0] as RelPath, STAGE_DIR)) {
            throw systemError("ENOSPC", "open", F);
          }
          return value.apply(target, args);
        };
      },
    });
  using world = new World({ updatemaxMs: 500, wrapMirror });
  const stop = world.live();
  world.source.writeFile(F, "");
  world.dirty.addPaths([F]);
  await world.clock.pass(5000);
  full = true;
  world.source.writeFile(F, "more");
  world.dirty.addPaths([F]);
  await world.clock.pass(5000);
  const told = world.clientEvents.filter((event) => event.event === "problem");
  assertEquals(told.map(({ path }) => path), [F]);
  full = false;
  await world.clock.pass(120_000);
  assertEquals(await stop(), 0);
  assertEquals(world.mirror.tree({ withoutPrivate: true }), world.source.tree());
});

Deno.test("a file that cannot be read on in its midst is a problem of its own, and what comes behind it arrives", async () => {
  let fails = false;
  const wrapSource = (fs: MemoryFs) =>
    watchedFs(fs, (call, [at]) => {
      if (fails && call === "readAt" && at as number > 8 << 20) throw systemError("EIO", call, F);
    });
  using world = new World({ average: 256 << 10, wrapSource });
  const large = CONTENTS.random(10 << 20, random(1));
  world.source.writeFile(F, large);
  world.source.writeFile(G, content());
  await bytesOfSync(world);
  await world.clock.pass(5000);
  fails = true;
  for (const at of [1 << 20, 8 << 20]) large[at]! ^= 1;
  world.source.writeFile(F, large);
  world.source.writeFile(G, content(2));
  assertEquals(await world.once(), 3);
  assertEquals(world.told("problem").length, 1, JSON.stringify(world.clientEvents.slice(-4)));
  assertEquals(world.mirror.readFile(G), content(2));
  fails = false;
  await world.clock.pass(5000);
  await bytesOfSync(world);
});
