// Promise P6 under attack: while files are worked on below a directory, somebody exchanges that directory for a symbolic link to
// a place outside, thousands of times a second. Nothing outside is touched, and nothing of it is read.

import { assert, assertEquals } from "@std/assert";
import { lstatSync } from "node:fs";
import { joinPath, parsePath as p, type RelPath, ROOT } from "../../core/path.ts";
import { loadLibc } from "../../core/libc.ts";
import { ownCalls } from "../../core/open_fs.ts";
import { PosixFs } from "../../core/posix_fs.ts";
import { OPERATIONS } from "../support/operations.ts";
import { noise, Scene } from "../support/scene.ts";
import { Swapper } from "../support/swapper.ts";
import { until } from "../support/trees.ts";
import { TempDir } from "../support/temp_dir.ts";

const libc = loadLibc();
/** Whether the processes use that layer: the portable one cannot promise this. */
const contained = ownCalls() !== undefined;
const ROUNDS = 1500;
/** Without it, a client does nothing but read events. */
const PAUSE_MS = 0.1;
const SECRET = "only for those outside";

/** What lies outside: as many kinds of things as there are operations. */
function makeOutside(dir: string): void {
  Deno.mkdirSync(`${dir}/empty`, { recursive: true });
  Deno.mkdirSync(`${dir}/sub`);
  for (const name of ["file", "sub/file", "f0", "f1", "f2"]) Deno.writeTextFileSync(`${dir}/${name}`, SECRET);
  Deno.symlinkSync("text", `${dir}/link`);
}

/** A place outside, a link that leads there, and in the source a directory to exchange for it. */
function setTrap(scene: Scene): { outside: string; evil: string } {
  const outside = `${scene.path}/outside`, evil = `${scene.path}/evil`;
  makeOutside(outside);
  Deno.symlinkSync(outside, evil);
  for (const name of ["f0", "f1", "f2", "sub/file"]) scene.write(`d/${name}`, "mine");
  return { outside, evil };
}

/** Everything about what is below a directory that a change of any kind would change. */
function everythingOf(dir: string): string[] {
  const { mode, uid, gid, size, mtimeNs, ctimeNs, ino, nlink } = lstatSync(dir, { bigint: true });
  const own = [dir, mode, uid, gid, size, mtimeNs, ctimeNs, ino, nlink].join(" ");
  if (!Deno.lstatSync(dir).isDirectory) return [own];
  const names = [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
  return [own, ...names.flatMap((name) => everythingOf(`${dir}/${name}`))];
}

for (const walk of [false, true]) {
  Deno.test({
    name: `attack: PosixFs${walk ? ", name by name" : ""}: no operation follows a directory that becomes a link`,
    ignore: !libc,
    async fn() {
      using dir = new TempDir();
      const root = `${dir.path}/root`, outside = `${dir.path}/outside`;
      makeOutside(outside);
      makeOutside(`${root}/d`);
      Deno.writeTextFileSync(`${root}/own`, "");
      Deno.symlinkSync(outside, `${dir.path}/evil`);
      using fs = new PosixFs(root, libc!, { walk });
      const before = everythingOf(outside);
      await using swapper = await Swapper.start(`${root}/d`, `${dir.path}/evil`);
      let done = 0, refused = 0;
      for (let round = 0; round < ROUNDS; round++) {
        for (const operation of Object.values(OPERATIONS)) {
          try {
            operation(fs, round % 2 === 0 ? "d" : "d/sub");
            done++;
          } catch {
            refused++;
          }
        }
        for (const path of ["new", "d/new", "own"]) {
          try {
            if (path === "own") fs.createFile(p(path), 0o644)[Symbol.dispose]();
            else fs.unlink(p(path));
          } catch {
            // It is there, or it is not.
          }
        }
        await Promise.resolve();
      }
      const swaps = await swapper.stop();
      assertEquals(everythingOf(outside), before);
      assert(swaps > 1000 && done > 100 && refused > 100, `${swaps} swaps, ${done} done, ${refused} refused`);
    },
  });
}

for (const evil of ["symlink", "directory"]) {
  Deno.test({
    name: `attack: PosixFs: what setMeta() says is of what it has changed, while a ${evil} comes to its place and goes`,
    ignore: !libc,
    async fn() {
      using dir = new TempDir();
      Deno.mkdirSync(`${dir.path}/d`);
      if (evil === "symlink") Deno.symlinkSync("elsewhere", `${dir.path}/evil`);
      else Deno.mkdirSync(`${dir.path}/evil`);
      using fs = new PosixFs(dir.path, libc!);
      await using swapper = await Swapper.start(`${dir.path}/d`, `${dir.path}/evil`);
      const inodes = new Set<bigint>();
      for (let mtimeNs = 1n; mtimeNs <= 20_000n || inodes.size < 2; mtimeNs++) {
        const stat = fs.setMeta(p("d"), { mode: 0o755, mtimeNs });
        assertEquals(stat.mtimeNs, mtimeNs);
        inodes.add(stat.ino);
      }
      assert(await swapper.stop() > 1000);
    },
  });
}

Deno.test({
  name: "attack: whatever a client pushes below a directory of the mirror that becomes a link, nothing outside changes",
  ignore: !contained,
  async fn() {
    await using scene = new Scene();
    const { outside, evil } = setTrap(scene);
    const { server, address } = await scene.server();
    const client = scene.client(address, "--updatemax", "0");
    await client.event("synced");
    const before = everythingOf(outside);
    await using swapper = await Swapper.start(scene.there("d"), evil, PAUSE_MS);
    // What is done to the source depends on nothing but the round; how often the mirror is met as a link, on the race.
    for (let round = 0; round < 60 || swapper.swaps < 2000; round++) {
      for (const i of [0, 1, 2]) scene.write(`d/f${i}`, noise(100 * i + round, round));
      scene.write(`d/sub/file`, `${round}`);
      scene.write(`d/new ${round % 5}`, "new");
      if (round % 3 === 0) Deno.chmodSync(scene.here("d/f1"), round % 2 === 0 ? 0o777 : 0o600);
      if (round % 4 === 0) Deno.renameSync(scene.here("d/f2"), scene.here(`d/f2 ${round % 8}`));
      if (round % 7 === 6) Deno.removeSync(scene.here("d/sub"), { recursive: true });
      // Beside what is attacked, all goes on.
      scene.write(`other ${round % 5}`, `${round}`);
      // The change itself may not be told: where a commit meets the link as it is synced, it is found done over a new connection.
      const there = scene.there(`other ${round % 5}`);
      await until(() => Deno.readTextFileSync(there) === `${round}` ? "" : `${there} is another`);
    }
    await swapper.stop();
    assertEquals(everythingOf(outside), before);
    // It goes on, and heals.
    await client.stop();
    assertEquals((await scene.once(address)).status, 0);
    await scene.level();
    assertEquals(await server.stop(), 0);
    assertEquals(everythingOf(outside), before);
  },
});

Deno.test({
  name: "attack: a directory of the source that becomes a link leaks nothing from outside into the mirror",
  ignore: !contained,
  async fn() {
    await using scene = new Scene();
    const { evil } = setTrap(scene);
    const { address } = await scene.server();
    const client = scene.client(address, "--updatemax", "0");
    await client.event("synced");
    await using swapper = await Swapper.start(scene.here("d"), evil, PAUSE_MS);
    for (let round = 0; round < 40 || swapper.swaps < 2000; round++) {
      const from = client.events.length;
      scene.write(`other ${round % 5}`, `${round}`);
      await client.event("change", { from, where: ({ path }) => path === `other ${round % 5}` });
      assertEquals(filesWith(scene.mirror, SECRET), []);
    }
    await swapper.stop();
    await scene.level();
    assertEquals(filesWith(scene.mirror, SECRET), []);
  },
});

/**
 * Files below a directory, the private folder not left out, that hold a text. What is a directory now may be a symbolic link when it
 * is read, for the mirror has the one and then the other; what that leads to is not in the mirror.
 */
function filesWith(dir: string, text: string): string[] {
  using fs = new PosixFs(dir, libc!);
  const found: string[] = [];
  const walk = (path: RelPath) => {
    for (const { name, stat } of fs.list(path)) {
      const below = joinPath(path, name);
      try {
        if (stat.kind === "dir") walk(below);
        else if (stat.kind === "file" && !name.startsWith("index.sqlite") && textOf(fs, below).includes(text)) {
          found.push(below);
        }
      } catch (error) {
        // Files and directories come and go.
        if (!GONE.some((type) => error instanceof type)) throw error;
      }
    }
  };
  walk(ROOT);
  return found;
}

const GONE = [Deno.errors.NotFound, Deno.errors.NotADirectory, Deno.errors.FilesystemLoop, Deno.errors.IsADirectory];

function textOf(fs: PosixFs, path: RelPath): string {
  using file = fs.openFile(path);
  const bytes = new Uint8Array(file.stat().size);
  return new TextDecoder().decode(bytes.subarray(0, file.readAt(0, bytes)));
}
