// What goes beyond the contract that every layer keeps: owners, hard links, holes, extended attributes, names of any bytes,
// paths of any length. A layer is held to what its features promise.

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { BLOCK_BYTES, type FileSystem, NO_ID } from "../../core/fs.ts";
import { loadLibc } from "../../core/libc.ts";
import { joinPath, parsePath as p, type RelPath, ROOT } from "../../core/path.ts";
import { PortableFs } from "../../core/portable_fs.ts";
import { PosixFs } from "../../core/posix_fs.ts";
import { makesLinks, NO_LINKS } from "../support/links.ts";
import { MemoryFs } from "../support/memory_fs.ts";
import { TempDir } from "../support/temp_dir.ts";

const BLOCK = 1 << 16;
const isRoot = Deno.build.os === "linux" && Deno.uid() === 0;
const libc = loadLibc();

interface Layer {
  readonly name: string;
  readonly make: (dir: string) => FileSystem & Partial<Disposable>;
  /** Files lie in a real directory. */
  readonly real: boolean;
  /** Names and paths may be whatever the kernel takes. */
  readonly anyName: boolean;
}

const LAYERS: readonly Layer[] = [
  { name: "MemoryFs", make: () => new MemoryFs(clock()), real: false, anyName: true },
  { name: "PortableFs", make: (dir) => new PortableFs(dir), real: true, anyName: false },
  ...(libc
    ? [false, true].map((walk) => ({
      name: walk ? "PosixFs, name by name" : "PosixFs",
      make: (dir: string) => new PosixFs(dir, libc, { walk }),
      real: true,
      anyName: true,
    }))
    : []),
];

function clock(): () => bigint {
  let now = 1_700_000_000_000_000_000n;
  return () => now += 1_000n;
}

/** Registers a test for each layer that `suits`. */
function test(
  title: string,
  body: (fs: FileSystem, dir: string) => void,
  suits: (layer: Layer) => boolean = () => true,
) {
  for (const layer of LAYERS) {
    Deno.test({
      name: `${layer.name}: ${title}`,
      ignore: !suits(layer),
      fn() {
        using dir = new TempDir();
        const fs = layer.make(dir.path);
        try {
          body(fs, dir.path);
        } finally {
          fs[Symbol.dispose]?.();
        }
      },
    });
  }
}

function write(fs: FileSystem, path: RelPath, text = ""): void {
  using file = fs.createFile(path, 0o644);
  file.write(new TextEncoder().encode(text));
}

function read(fs: FileSystem, path: RelPath): Uint8Array {
  using file = fs.openFile(path);
  const bytes = new Uint8Array(file.stat().size);
  assertEquals(file.readAt(0, bytes), bytes.length);
  return bytes;
}

test("renameNew() goes only where nothing is", (fs) => {
  write(fs, p("a"), "a");
  write(fs, p("b"), "b");
  fs.mkdir(p("d"), 0o755);
  for (const taken of ["b", "d"]) {
    assertThrows(() => fs.renameNew(p("a"), p(taken)), Deno.errors.AlreadyExists);
  }
  assertThrows(() => fs.renameNew(p("gone"), p("e")), Deno.errors.NotFound);
  fs.renameNew(p("a"), p("d/a"));
  fs.renameNew(p("d"), p("e"));
  assertEquals(fs.list(ROOT).map(({ name }) => name).sort(), ["b", "e"]);
  assertEquals(read(fs, p("e/a")), Uint8Array.of(97));
});

test("exchange() lets two entries of any kind change places, or does nothing where the layer cannot", (fs) => {
  for (const name of ["d", "e"]) fs.mkdir(p(name), 0o755);
  write(fs, p("a"), "a");
  write(fs, p("d/b"), "b");
  const kinds = () => ["a", "d", "d/b", "e", "link"].map((name) => fs.lstat(p(name))?.kind);
  const able = fs.exchange(p("a"), p("d/b"));
  assertEquals(able, fs.features.layer !== "portable");
  if (!able) {
    assertEquals([read(fs, p("a")), read(fs, p("d/b"))], [Uint8Array.of(97), Uint8Array.of(98)]);
    return;
  }
  fs.symlink(p("link"), "a");
  assertEquals([read(fs, p("a")), read(fs, p("d/b"))], [Uint8Array.of(98), Uint8Array.of(97)]);
  assert(fs.exchange(p("link"), p("a")));
  assertEquals([fs.readLink(p("a")), read(fs, p("link"))], ["a", Uint8Array.of(98)]);
  assert(fs.exchange(p("d"), p("link")));
  assertEquals(read(fs, p("link/b")), Uint8Array.of(97));
  assert(fs.exchange(p("link"), p("d")));
  // A full directory for an empty one, and what is on the way to itself.
  assert(fs.exchange(p("d"), p("e")));
  assertEquals(kinds(), ["symlink", "dir", undefined, "dir", "file"]);
  assert(!fs.exchange(p("e"), p("e/b")));
  assertThrows(() => fs.exchange(p("a"), p("gone")), Deno.errors.NotFound);
  assertThrows(() => fs.exchange(p("gone"), p("a")), Deno.errors.NotFound);
});

test("exchange() of two names of one file leaves both", (fs) => {
  write(fs, p("a"), "a");
  fs.link(p("a"), p("b"));
  fs.exchange(p("a"), p("b"));
  assertEquals([read(fs, p("a")), read(fs, p("b"))], [Uint8Array.of(97), Uint8Array.of(97)]);
});

test("appendTo() writes on at the end, and makes what is not there", (fs) => {
  for (const text of ["ab", "", "c"]) {
    using file = fs.appendTo(p("a"), 0o600);
    file.write(new TextEncoder().encode(text));
    file.sync();
  }
  assertEquals(read(fs, p("a")), new TextEncoder().encode("abc"));
  fs.mkdir(p("d"), 0o755);
  for (const wrong of ["d", "gone/a", "a/b"]) assertThrows(() => fs.appendTo(p(wrong), 0o600));
  assertEquals(read(fs, p("a")).length, 3);
});

test(`appendTo() follows no symbolic link${makesLinks ? "" : NO_LINKS}`, (fs) => {
  write(fs, p("a"), "abc");
  fs.symlink(p("link"), "a");
  assertThrows(() => fs.appendTo(p("link"), 0o600));
  assertEquals(read(fs, p("a")).length, 3);
}, () => makesLinks);

test(`renameNew() goes not where a symbolic link is${makesLinks ? "" : NO_LINKS}`, (fs) => {
  write(fs, p("a"), "a");
  fs.symlink(p("link"), "nowhere");
  assertThrows(() => fs.renameNew(p("a"), p("link")), Deno.errors.AlreadyExists);
  assertEquals(fs.readLink(p("link")), "nowhere");
}, () => makesLinks);

test("the names of a file are counted, and gone ones are not", (fs) => {
  write(fs, p("a"));
  assertEquals(fs.lstat(p("a"))!.nlink, 1);
  fs.link(p("a"), p("b"));
  fs.link(p("a"), p("c"));
  assertEquals(["a", "b", "c"].map((name) => fs.lstat(p(name))!.nlink), [3, 3, 3]);
  assertEquals(fs.list(ROOT).map(({ stat }) => stat.nlink), [3, 3, 3]);
  fs.unlink(p("b"));
  write(fs, p("new"));
  fs.rename(p("new"), p("c"));
  assertEquals(fs.lstat(p("a"))!.nlink, 1);
});

test("skip() makes zeros that are there at once, in the middle and at the end, and takes no room for them", (fs) => {
  const size = 100 * BLOCK;
  using file = fs.createFile(p("f"), 0o644);
  file.skip(3 * BLOCK);
  assertEquals(fs.lstat(p("f"))!.size, 3 * BLOCK);
  file.write(Uint8Array.of(1, 2));
  file.skip(size - 3 * BLOCK - 2);
  file.sync();
  file.setMeta({ mtimeNs: 5_000_000n });
  const bytes = read(fs, p("f"));
  assertEquals([bytes.length, bytes[3 * BLOCK], bytes[3 * BLOCK + 1]], [size, 1, 2]);
  assertEquals(bytes.reduce((sum, byte) => sum + byte), 3);
  const stat = fs.lstat(p("f"))!;
  assertEquals([stat.size, stat.mtimeNs], [size, 5_000_000n]);
  // Windows' holes have to be asked for, and Wine knows none.
  if (Deno.build.os !== "windows") assert(stat.allocated < 10 * BLOCK, `${stat.allocated} bytes`);
});

test("clone() appends whole blocks of another file, or says that it cannot and has appended nothing", (fs) => {
  const block = new Uint8Array(BLOCK_BYTES);
  {
    using file = fs.createFile(p("a"), 0o644);
    for (const byte of [1, 2, 3]) file.write(block.fill(byte));
  }
  using from = fs.openFile(p("a"));
  let made: boolean;
  {
    using file = fs.createFile(p("b"), 0o644);
    file.write(block.fill(4));
    made = file.clone(from, BLOCK_BYTES, 2 * BLOCK_BYTES);
    assertEquals(file.clone(from, 3 * BLOCK_BYTES, BLOCK_BYTES), false, "beyond the end");
    file.write(block.fill(5));
  }
  using file = fs.openFile(p("b"));
  const bytes = new Uint8Array(5 * BLOCK_BYTES);
  const length = file.readAt(0, bytes);
  const firsts = Array.from({ length: length / BLOCK_BYTES }, (_, i) => bytes[i * BLOCK_BYTES]);
  assertEquals(firsts, made ? [4, 2, 3, 5] : [4, 5]);
});

test("skip() and write() may be mixed in any way", (fs) => {
  const expected: number[] = [];
  {
    using file = fs.createFile(p("f"), 0o644);
    for (const [i, zeros] of [[0, 5], [3, 0], [1, 1], [2, 4096], [0, 0], [7, 3]] as const) {
      file.write(new Uint8Array(i).fill(9));
      file.skip(zeros);
      expected.push(...Array(i).fill(9), ...Array(zeros).fill(0));
    }
  }
  assertEquals([...read(fs, p("f"))], expected);
});

test("chown() gives files, directories and symbolic links themselves away, both ids or one", (fs) => {
  write(fs, p("target"));
  fs.mkdir(p("d"), 0o755);
  fs.symlink(p("link"), "target");
  const target = fs.lstat(p("target"))!;
  for (const path of ["link", "d"]) {
    fs.chown(p(path), 1234, 2345);
    assertEquals([fs.lstat(p(path))!.uid, fs.lstat(p(path))!.gid], [1234, 2345]);
    fs.chown(p(path), NO_ID, 77);
    fs.chown(p(path), 88, NO_ID);
    assertEquals([fs.lstat(p(path))!.uid, fs.lstat(p(path))!.gid], [88, 77]);
  }
  assertEquals(fs.lstat(p("target")), target);
  assertThrows(() => fs.chown(p("gone"), 1, 1), Deno.errors.NotFound);
}, ({ name }) => isRoot || name === "MemoryFs");

test("extended attributes come back as they were set, and go", (fs) => {
  const big = new Uint8Array(2000).map((_, i) => i);
  write(fs, p("f"));
  fs.mkdir(p("d"), 0o755);
  for (const path of ["f", "d"]) {
    const some = new Map([["user.a", big], ["user.é\n", Uint8Array.of(0, 255)], ["user.empty", new Uint8Array()]]);
    fs.setXattrs(p(path), some);
    assertEquals(new Map([...fs.xattrs(p(path))].sort()), new Map([...some].sort()));
    const before = fs.lstat(p(path))!.ctimeNs;
    fs.setXattrs(p(path), new Map([["user.a", Uint8Array.of(1)]]));
    assertEquals([...fs.xattrs(p(path))], [["user.a", Uint8Array.of(1)]]);
    assertNotEquals(fs.lstat(p(path))!.ctimeNs, before);
    fs.setXattrs(p(path), new Map());
    assertEquals(fs.xattrs(p(path)).size, 0);
  }
}, ({ name }) => name !== "PortableFs");

test("extended attributes can be set on what nobody may write or read, which then is so still", (fs) => {
  for (const mode of [0o444, 0, 0o4555]) {
    const path = p(`f${mode}`);
    write(fs, path);
    fs.setMeta(path, { mode, mtimeNs: 1_000_000_007n });
    fs.setXattrs(path, new Map([["user.a", Uint8Array.of(1)]]));
    assertEquals(fs.lstat(path)!.mode, mode);
    // Who may not read a file may not read its attributes either.
    fs.setMeta(path, { mode: 0o600, mtimeNs: 1n });
    assertEquals([...fs.xattrs(path)], [["user.a", Uint8Array.of(1)]]);
  }
}, ({ name }) => name !== "PortableFs");

test("an access list that forbids its owner to write does not keep other attributes away", (fs) => {
  // Version 2, then tag, permissions and id of: owner r-x, user 1000 rwx, group r--, mask ---, others ---.
  const lines = [[1, 5, -1], [2, 7, 1000], [4, 4, -1], [16, 0, -1], [32, 0, -1]];
  const list = new Uint8Array(4 + 8 * lines.length);
  const view = new DataView(list.buffer);
  view.setUint32(0, 2, true);
  for (const [i, [tag, bits, id]] of lines.entries()) {
    view.setUint16(4 + 8 * i, tag!, true);
    view.setUint16(6 + 8 * i, bits!, true);
    view.setInt32(8 + 8 * i, id!, true);
  }
  write(fs, p("f"));
  for (const byte of [1, 2]) {
    const xattrs = new Map([["system.posix_acl_access", list], ["user.a", Uint8Array.of(byte)]]);
    fs.setXattrs(p("f"), xattrs);
    assertEquals(new Map([...fs.xattrs(p("f"))].sort()), xattrs);
    assertEquals(fs.lstat(p("f"))!.mode, 0o500);
  }
}, ({ name, real }) => real && name !== "PortableFs");

test("symbolic links have no extended attributes, and what they lead to keeps its own", (fs) => {
  write(fs, p("f"));
  fs.setXattrs(p("f"), new Map([["user.a", Uint8Array.of(1)]]));
  fs.symlink(p("link"), "f");
  fs.setXattrs(p("link"), new Map());
  assertEquals(fs.xattrs(p("link")).size, 0);
  assertEquals(fs.xattrs(p("f")).size, 1);
}, ({ name }) => name !== "PortableFs");

test("names and targets of any bytes are carried as they are", (fs) => {
  const odd = ["a\udcff", "\udc80", "e\udcc3\u0301", "\udce2\udc82"].map((name) => joinPath(ROOT, name));
  for (const path of odd) write(fs, path, path);
  fs.symlink(p("link"), "t\udcff/\udcfe");
  assertEquals(fs.readLink(p("link")), "t\udcff/\udcfe");
  const names = fs.list(ROOT).map(({ name }) => name).sort();
  assertEquals(names, [...odd.map(String), "link"].sort());
  fs.rename(odd[0]!, joinPath(ROOT, "b\udcfe"));
  fs.mkdir(joinPath(ROOT, "d\udcff"), 0o755);
  fs.rename(odd[1]!, joinPath(joinPath(ROOT, "d\udcff"), "\udc81"));
  assertEquals(fs.list(joinPath(ROOT, "d\udcff")).map(({ name }) => name), ["\udc81"]);
  for (const path of odd.slice(2)) fs.unlink(path);
}, ({ anyName, real }) => anyName && (!real || Deno.build.os === "linux"));

test("a path may be longer than the kernel takes at once", (fs) => {
  const name = "n".repeat(200);
  let dir: RelPath = ROOT;
  while (dir.length < 9000) fs.mkdir(dir = joinPath(dir, name), 0o755);
  const file = joinPath(dir, "file"), other = joinPath(dir, "other");
  write(fs, file, "deep");
  fs.link(file, other);
  fs.setMeta(file, { mode: 0o600, mtimeNs: 42_000_000n });
  fs.rename(other, joinPath(ROOT, "other"));
  fs.symlink(joinPath(dir, "link"), "file");
  assertEquals(new TextDecoder().decode(read(fs, file)), "deep");
  assertEquals(fs.list(dir).map(({ name }) => name).sort(), ["file", "link"]);
  assertEquals(fs.lstat(p("other"))!.mtimeNs, 42_000_000n);
  assertEquals(fs.readLink(joinPath(dir, "link")), "file");
  fs.unlink(joinPath(dir, "link"));
  fs.unlink(file);
  for (; dir !== ROOT; dir = (dir.length <= 200 ? ROOT : dir.slice(0, -201)) as RelPath) fs.rmdir(dir);
  assertEquals(fs.list(ROOT).map(({ name }) => name), ["other"]);
}, ({ anyName }) => anyName);

test("twins of a name, composed and not, upper and lower case, are two names", (fs) => {
  const names = ["é", "e\u0301", "A", "a"];
  for (const name of names) write(fs, p(name), name);
  assertEquals(fs.list(ROOT).map(({ name }) => name).sort(), [...names].sort());
  for (const name of names) assertEquals(new TextDecoder().decode(read(fs, p(name))), name);
}, ({ real }) => !real || Deno.build.os === "linux");
