// What only the POSIX layer promises: nothing is reached through a symbolic link, no handle is left open, no call waits.

import { assert, assertEquals, assertThrows } from "@std/assert";
import type { FileSystem } from "../../core/fs.ts";
import { loadLibc } from "../../core/libc.ts";
import { parsePath as p } from "../../core/path.ts";
import { PosixFs } from "../../core/posix_fs.ts";
import { TempDir } from "../support/temp_dir.ts";
import { treeOf } from "../support/trees.ts";

const libc = loadLibc();

/** Registers a test for both ways to resolve a path. */
function test(title: string, body: (fs: PosixFs, dir: string) => void | Promise<void>): void {
  for (const walk of [false, true]) {
    Deno.test({
      name: `PosixFs${walk ? ", name by name" : ""}: ${title}`,
      ignore: !libc,
      async fn() {
        using dir = new TempDir();
        Deno.mkdirSync(`${dir.path}/root`);
        using fs = new PosixFs(`${dir.path}/root`, libc!, { walk });
        await body(fs, dir.path);
      },
    });
  }
}

/** Everything that can be done with a path, by name. */
const OPERATIONS: Record<string, (fs: FileSystem, path: string) => void> = {
  list: (fs, path) => fs.list(p(path)),
  readLink: (fs, path) => fs.readLink(p(`${path}/link`)),
  openFile: (fs, path) => fs.openFile(p(`${path}/file`))[Symbol.dispose](),
  createFile: (fs, path) => fs.createFile(p(`${path}/new`), 0o644)[Symbol.dispose](),
  mkdir: (fs, path) => fs.mkdir(p(`${path}/new`), 0o755),
  symlink: (fs, path) => fs.symlink(p(`${path}/new`), "x"),
  "link from": (fs, path) => fs.link(p(`${path}/file`), p("new")),
  "link to": (fs, path) => fs.link(p("own"), p(`${path}/new`)),
  "rename from": (fs, path) => fs.rename(p(`${path}/file`), p("new")),
  "rename to": (fs, path) => fs.rename(p("own"), p(`${path}/file`)),
  "renameNew from": (fs, path) => fs.renameNew(p(`${path}/file`), p("new")),
  "renameNew to": (fs, path) => fs.renameNew(p("own"), p(`${path}/new`)),
  unlink: (fs, path) => fs.unlink(p(`${path}/file`)),
  rmdir: (fs, path) => fs.rmdir(p(`${path}/empty`)),
  setMeta: (fs, path) => fs.setMeta(p(`${path}/file`), { mode: 0o777, mtimeNs: 1n }),
  chown: (fs, path) => fs.chown(p(`${path}/file`), 1234, 1234),
  xattrs: (fs, path) => fs.xattrs(p(`${path}/file`)),
  setXattrs: (fs, path) => fs.setXattrs(p(`${path}/file`), new Map([["user.a", Uint8Array.of(1)]])),
  syncDir: (fs, path) => fs.syncDir(p(path)),
};

for (const [name, operation] of Object.entries(OPERATIONS)) {
  test(`${name} reaches nothing through a symbolic link on the way`, (fs, dir) => {
    Deno.mkdirSync(`${dir}/outside/deeper/empty`, { recursive: true });
    Deno.mkdirSync(`${dir}/root/sub`);
    for (const at of ["outside/file", "outside/deeper/file", "root/own"]) Deno.writeTextFileSync(`${dir}/${at}`, at);
    for (const at of ["outside/link", "outside/deeper/link"]) Deno.symlinkSync("text", `${dir}/${at}`);
    Deno.mkdirSync(`${dir}/outside/empty`);
    Deno.symlinkSync(`${dir}/outside`, `${dir}/root/absolute`);
    Deno.symlinkSync("../outside", `${dir}/root/relative`);
    Deno.symlinkSync("../../outside/deeper", `${dir}/root/sub/deeper`);
    Deno.symlinkSync("sub", `${dir}/root/inside`);
    const before = treeOf(dir);
    for (const path of ["absolute", "relative", "sub/deeper", "absolute/deeper", "inside/deeper"]) {
      assertThrows(() => operation(fs, path), Error, "", `${name} ${path}`);
    }
    assertEquals(treeOf(dir), before);
  });
}

test("lstat() finds nothing through a symbolic link on the way", (fs, dir) => {
  Deno.mkdirSync(`${dir}/outside`);
  Deno.writeTextFileSync(`${dir}/outside/file`, "");
  Deno.symlinkSync("../outside", `${dir}/root/link`);
  assertEquals(fs.lstat(p("link/file")), undefined);
  assertEquals(fs.lstat(p("link"))?.kind, "symlink");
});

test("a FIFO is refused without waiting for who might write to it", (fs, dir) => {
  const { success } = new Deno.Command("mkfifo", { args: [`${dir}/root/fifo`] }).outputSync();
  assert(success);
  assertEquals(fs.lstat(p("fifo"))?.kind, "other");
  assertThrows(() => fs.openFile(p("fifo")));
  assertEquals(fs.xattrs(p("fifo")).size, 0);
});

test("no handle stays open, whatever fails", async (fs, dir) => {
  for (const sub of ["a", "b", "c"]) Deno.mkdirSync(`${dir}/root/${sub}/file`, { recursive: true });
  // Other tests open others in this process.
  const open = () =>
    [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(`${dir}/root/`);
      } catch {
        return false;
      }
    }).length;
  for (let round = 0; round < 100; round++) {
    for (const operation of Object.values(OPERATIONS)) {
      for (const path of ["a", "b", "gone", "c/file"]) {
        try {
          operation(fs, path);
        } catch {
          // Most fail here.
        }
      }
    }
    // The stretch of work ends.
    await Promise.resolve();
  }
  assertEquals(open(), 0);
  const file = fs.createFile(p("a/open"), 0o644);
  assertEquals(open(), 2);
  file[Symbol.dispose]();
});

test("after its end it does nothing more, and files that were open are closed by whoever opened them", (fs, dir) => {
  Deno.writeTextFileSync(`${dir}/root/file`, "x");
  const file = fs.openFile(p("file"));
  file[Symbol.dispose]();
  assertThrows(() => file.readAt(0, new Uint8Array(1)), Deno.errors.BadResource);
  assertThrows(() => file.stat(), Deno.errors.BadResource);
  fs[Symbol.dispose]();
  fs[Symbol.dispose]();
  for (const operation of [() => fs.list(p("")), () => fs.lstat(p("file")), () => fs.openFile(p("file"))]) {
    assertThrows(operation, Deno.errors.BadResource);
  }
});

test("a directory that is replaced between two stretches of work is not worked in any more", async (fs, dir) => {
  Deno.mkdirSync(`${dir}/root/d`);
  fs.createFile(p("d/1"), 0o644)[Symbol.dispose]();
  await Promise.resolve();
  Deno.renameSync(`${dir}/root/d`, `${dir}/away`);
  Deno.mkdirSync(`${dir}/root/d`);
  fs.createFile(p("d/2"), 0o644)[Symbol.dispose]();
  assertEquals([...Deno.readDirSync(`${dir}/away`)].map(({ name }) => name), ["1"]);
  assertEquals([...Deno.readDirSync(`${dir}/root/d`)].map(({ name }) => name), ["2"]);
});
