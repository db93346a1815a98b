// What only the POSIX layer promises: nothing is reached through a symbolic link, no handle is left open, no call waits.

import { setImmediate } from "node:timers";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { loadLibc } from "../../core/libc.ts";
import { parsePath as p, ROOT } from "../../core/path.ts";
import type { DirsOptions } from "../../core/posix_dirs.ts";
import { PosixFs } from "../../core/posix_fs.ts";
import { OPERATIONS } from "../support/operations.ts";
import { TempDir } from "../support/temp_dir.ts";
import { treeOf } from "../support/trees.ts";

const libc = loadLibc();

/** Ways to resolve a path. */
const WAYS: [string, DirsOptions][] = [
  ["", {}],
  [", name by name", { walk: true }],
  [", opened anew for each stretch", { reopen: true }],
];

/** How many handles this process has of what is below `dir`. */
function openBelow(dir: string): number {
  return [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(dir);
    } catch {
      return false;
    }
  }).length;
}

/** The next turn of the event loop, at which handles of directories are closed. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Registers a test for every way to resolve a path. */
function test(title: string, body: (fs: PosixFs, dir: string) => void | Promise<void>): void {
  for (const [way, options] of WAYS) {
    Deno.test({
      name: `PosixFs${way}: ${title}`,
      ignore: !libc,
      async fn() {
        using dir = new TempDir();
        Deno.mkdirSync(`${dir.path}/root`);
        using fs = new PosixFs(`${dir.path}/root`, libc!, options);
        await body(fs, dir.path);
      },
    });
  }
}

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
    await turn();
  }
  assertEquals(openBelow(`${dir}/root/`), 0);
  const file = fs.createFile(p("a/open"), 0o644);
  assertEquals(openBelow(`${dir}/root/`), 2);
  file[Symbol.dispose]();
});

test("a rename closes the handles of what has moved and of all below it, and no others", (fs, dir) => {
  for (const sub of ["a/sub", "ab", "b"]) Deno.mkdirSync(`${dir}/root/${sub}`, { recursive: true });
  for (const path of ["a/1", "a/sub/1", "ab/1", "b/1"]) fs.createFile(p(path), 0o644)[Symbol.dispose]();
  fs.rename(p("ab/1"), p("b/2"));
  fs.renameNew(p("b/2"), p("a/2"));
  assertEquals(openBelow(`${dir}/root/`), 4);
  fs.renameNew(p("a"), p("c"));
  assertEquals(openBelow(`${dir}/root/`), 2);
  fs.mkdir(p("a"), 0o755);
  fs.createFile(p("a/3"), 0o644)[Symbol.dispose]();
  assert(fs.exchange(p("a"), p("c")));
  fs.createFile(p("c/4"), 0o644)[Symbol.dispose]();
  assertEquals([...Deno.readDirSync(`${dir}/root/c`)].map(({ name }) => name).sort(), ["3", "4"]);
  fs.mkdir(p("empty"), 0o755);
  fs.createFile(p("empty/5"), 0o644)[Symbol.dispose]();
  fs.unlink(p("empty/5"));
  fs.rename(p("c"), p("empty"));
  fs.createFile(p("empty/6"), 0o644)[Symbol.dispose]();
  assertEquals([...Deno.readDirSync(`${dir}/root/empty`)].map(({ name }) => name).sort(), ["3", "4", "6"]);
});

test(
  "syncDir() syncs the directory that was worked in, also when another thing has come to its path",
  async (fs, dir) => {
    fs.mkdir(p("d"), 0o755);
    fs.createFile(p("d/1"), 0o644)[Symbol.dispose]();
    Deno.renameSync(`${dir}/root/d`, `${dir}/away`);
    Deno.symlinkSync("../away", `${dir}/root/d`);
    fs.syncDir(p("d"));
    await turn();
    assertThrows(() => fs.syncDir(p("d")), Deno.errors.NotADirectory);
  },
);

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
  await turn();
  Deno.renameSync(`${dir}/root/d`, `${dir}/away`);
  Deno.mkdirSync(`${dir}/root/d`);
  fs.createFile(p("d/2"), 0o644)[Symbol.dispose]();
  assertEquals([...Deno.readDirSync(`${dir}/away`)].map(({ name }) => name), ["1"]);
  assertEquals([...Deno.readDirSync(`${dir}/root/d`)].map(({ name }) => name), ["2"]);
});

Deno.test({
  name: "PosixFs, opened anew for each stretch: the root that is at its path now is the one that is looked at",
  ignore: !libc,
  async fn() {
    using dir = new TempDir();
    const root = `${dir.path}/root`;
    Deno.mkdirSync(root);
    Deno.writeTextFileSync(`${root}/first`, "");
    using fs = new PosixFs(root, libc!, { reopen: true });
    const names = () => fs.list(ROOT).map(({ name }) => name);
    Deno.renameSync(root, `${dir.path}/elsewhere`);
    // Within one stretch of work it is one and the same directory.
    assertEquals(names(), ["first"]);
    await turn();
    assertEquals(fs.lstat(ROOT), undefined);
    assertEquals(fs.lstat(p("first")), undefined);
    assertThrows(() => fs.list(ROOT), Deno.errors.NotFound);
    Deno.mkdirSync(root);
    Deno.writeTextFileSync(`${root}/second`, "");
    assertEquals(names(), ["second"]);
    await turn();
    Deno.removeSync(root, { recursive: true });
    Deno.symlinkSync("elsewhere", root);
    assertThrows(() => fs.list(ROOT), Deno.errors.NotADirectory);
  },
});

Deno.test({
  name: "PosixFs, opened anew for each stretch: a link that has come into the path of its root leads it nowhere",
  ignore: !libc,
  async fn() {
    using dir = new TempDir();
    for (const place of ["above", "beside"]) Deno.mkdirSync(`${dir.path}/${place}/root`, { recursive: true });
    Deno.writeTextFileSync(`${dir.path}/beside/root/secret`, "");
    using fs = new PosixFs(`${Deno.realPathSync(dir.path)}/above/root`, libc!, { reopen: true });
    assertEquals(fs.list(ROOT), []);
    await turn();
    Deno.removeSync(`${dir.path}/above`, { recursive: true });
    Deno.symlinkSync("beside", `${dir.path}/above`);
    assertThrows(() => fs.list(ROOT));
    assertEquals(fs.lstat(p("secret")), undefined);
  },
});
