// What is brought back is copied whole, wherever it goes to: by the system where that can, else by reading and writing.

import { assert, assertEquals } from "@std/assert";
import type { FileSystem, WritableFile } from "../../core/fs.ts";
import { loadLibc } from "../../core/libc.ts";
import { openFs } from "../../core/open_fs.ts";
import { parsePath as p, ROOT } from "../../core/path.ts";
import { PortableFs } from "../../core/portable_fs.ts";
import { Past } from "../../server/past.ts";
import { Restore } from "../../server/restore.ts";
import { MemoryFs } from "../support/memory_fs.ts";
import { watchedFs } from "../support/fault_fs.ts";
import { noise } from "../support/scene.ts";
import { TempDir } from "../support/temp_dir.ts";

// It is loaded once, and stays.
loadLibc();

const LARGE = noise(3_000_001);
const FILES = 12;

/** A mirror with a large file, one with a hole, and more than are synced one by one. */
function fill(fs: FileSystem): void {
  const file = (name: string, write: (file: WritableFile) => void) => {
    using file = fs.createFile(p(name), 0o640);
    write(file);
  };
  fs.mkdir(p("dir"), 0o755);
  file("dir/large", (file) => file.write(LARGE));
  file("dir/sparse", (file) => {
    file.write(LARGE.subarray(0, 4096));
    file.skip(4 << 20);
    file.write(LARGE.subarray(0, 10));
  });
  for (let i = 0; i < FILES; i++) file(`dir/${i}`, (file) => file.write(LARGE.subarray(0, i)));
}

function read(fs: FileSystem, path: string): Uint8Array {
  using file = fs.openFile(p(path));
  const bytes = new Uint8Array(file.stat().size);
  file.readAt(0, bytes);
  return bytes;
}

/** Brings `dir` back from one file system to another. */
function bringBack(from: FileSystem, to: FileSystem): void {
  const past = new Past(from, []);
  const restore = new Restore(from, to, past);
  restore.copy(past.find(p("dir"))!, p("back"), p("dir"));
  restore.sync();
  assertEquals(restore.done.problems, []);
  assertEquals(restore.done.files, FILES + 2);
  for (const { name } of from.list(p("dir"))) assertEquals(read(to, `back/${name}`), read(from, `dir/${name}`), name);
}

const PLACES: readonly [name: string, path: string | undefined][] = [
  ["another directory", undefined],
  // No blocks can be shared between two file systems.
  ["another file system", "/dev/shm"],
];

for (const [name, path] of PLACES) {
  Deno.test({
    name: `restore to ${name}: all is there, holes are holes`,
    ignore: path !== undefined && (Deno.build.os !== "linux" || !isDir(path)),
    fn() {
      using here = new TempDir();
      using there = new TempDir(path);
      const from = openFs(here.path), to = openFs(there.path);
      fill(from);
      bringBack(from, to);
      const [was, is] = [from.lstat(p("dir/sparse"))!, to.lstat(p("back/sparse"))!];
      if (was.allocated < was.size) assert(is.allocated < is.size, `${is.allocated} of ${is.size} bytes`);
    },
  });
}

Deno.test("restore by reading and writing, where the system copies nothing", () => {
  using there = new TempDir();
  const from = new MemoryFs(() => 0n);
  fill(from);
  bringBack(from, new PortableFs(there.path));
});

Deno.test("restore makes many files durable at once, and a few one by one", () => {
  const one = (count: number): string[] => Array(count).fill("sync");
  for (const { count, expected } of [{ count: 3, expected: one(3) }, { count: 20, expected: [...one(8), "syncAll"] }]) {
    const from = new MemoryFs(() => 0n), calls: string[] = [];
    for (let i = 0; i < count; i++) from.writeFile(p(`f${i}`), "x");
    const to = watchedFs<FileSystem>(new MemoryFs(() => 0n), (call) => call.startsWith("sync") && calls.push(call));
    const past = new Past(from, []), restore = new Restore(from, to, past);
    restore.copy(past.find(ROOT)!, ROOT, ROOT);
    restore.sync();
    assertEquals(calls, expected);
  }
});

function isDir(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
