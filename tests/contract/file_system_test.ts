import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProblemError } from "../../core/errors.ts";
import { type Libc, loadLibc } from "../../core/libc.ts";
import { joinPath, parsePath as p, ROOT } from "../../core/path.ts";
import { inodeOf, PortableFs } from "../../core/portable_fs.ts";
import type { DirsOptions } from "../../core/posix_dirs.ts";
import { PosixFs } from "../../core/posix_fs.ts";
import { makesLinks } from "../support/links.ts";
import { MemoryFs } from "../support/memory_fs.ts";
import { onOldKernel } from "../support/old_kernel.ts";
import { TempDir } from "../support/temp_dir.ts";
import { fileSystemContract } from "./file_system_contract.ts";

const WINDOWS = Deno.build.os === "windows";

fileSystemContract("MemoryFs", () => ({ fs: makeMemoryFs(), [Symbol.dispose]() {} }));

fileSystemContract("PortableFs", () => {
  const dir = new TempDir();
  return { fs: new PortableFs(dir.path), [Symbol.dispose]: () => dir[Symbol.dispose]() };
}, makesLinks);

const libc = loadLibc();
const POSIX: [string, DirsOptions, (libc: Libc) => Libc][] = [
  ["PosixFs", {}, (libc) => libc],
  ["PosixFs, name by name", { walk: true }, (libc) => libc],
  ["PosixFs, opened anew for each stretch", { reopen: true }, (libc) => libc],
  ["PosixFs on Linux 5.5", {}, onOldKernel],
];
for (const [name, options, kernel] of libc ? POSIX : []) {
  fileSystemContract(name, () => {
    const dir = new TempDir();
    const fs = new PosixFs(dir.path, kernel(libc!), options);
    return {
      fs,
      [Symbol.dispose]() {
        fs[Symbol.dispose]();
        dir[Symbol.dispose]();
      },
    };
  });
}

/** Its clock goes one microsecond further with every look. */
function makeMemoryFs(): MemoryFs {
  let now = 1_700_000_000_000_000_000n;
  return new MemoryFs(() => now += 1_000n);
}

/** Runs a shell command in `dir`, for what Deno cannot make. */
function shell(dir: string, command: string): void {
  const { success, stderr } = new Deno.Command("sh", { args: ["-c", command], cwd: dir }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
}

Deno.test({
  name: "PortableFs: list() names entries whose name is not UTF-8, once, as what cannot be mirrored",
  // macOS refuses such names.
  ignore: Deno.build.os !== "linux",
  fn() {
    using dir = new TempDir();
    const fs = new PortableFs(dir.path);
    shell(dir.path, `touch "$(printf 'a\\377')" "$(printf 'a\\376')"; touch "$(printf 'b\\357\\277\\275')"`);
    const listed = fs.list(ROOT).sort((a, b) => a.name < b.name ? -1 : 1);
    assertEquals(listed.map(({ name, stat }) => [name, stat.kind]), [["a\uFFFD", "other"], ["b\uFFFD", "file"]]);
    assertEquals(fs.lstat(p("a\uFFFD")), undefined);
  },
});

Deno.test({
  name: "PortableFs: names and targets that are not UTF-8 are problems, never other names",
  ignore: WINDOWS,
  fn() {
    using dir = new TempDir();
    const fs = new PortableFs(dir.path);
    const path = joinPath(ROOT, "a\udcff");
    assertThrows(() => fs.lstat(path), ProblemError, "not UTF-8");
    assertThrows(() => fs.createFile(path, 0o644), ProblemError, "not UTF-8");
    assertThrows(() => fs.rename(path, p("b")), ProblemError, "not UTF-8");
    assertThrows(() => fs.symlink(p("link"), "a\udcff"), ProblemError, "not UTF-8");
    assertEquals(fs.list(ROOT), []);
    shell(dir.path, `ln -s "$(printf 't\\377')" link`);
    assertThrows(() => fs.readLink(p("link")), ProblemError, "not UTF-8");
  },
});

Deno.test({
  name: "PortableFs: openFile() refuses a FIFO without waiting for a writer",
  ignore: WINDOWS,
  fn() {
    using dir = new TempDir();
    const fs = new PortableFs(dir.path);
    shell(dir.path, "mkfifo fifo");
    assertEquals(fs.lstat(p("fifo"))?.kind, "other");
    assertThrows(() => fs.openFile(p("fifo")), ProblemError, "FIFO");
    fs.unlink(p("fifo"));
    assertEquals(fs.list(ROOT), []);
  },
});

Deno.test({
  name: "PortableFs: the root may be the root of the file system",
  ignore: WINDOWS,
  fn() {
    using dir = new TempDir();
    const fs = new PortableFs("/");
    assertEquals(fs.lstat(ROOT)?.kind, "dir");
    assertEquals(fs.lstat(p(dir.path.slice(1)))?.kind, "dir");
    assertEquals(fs.list(p(dir.path.slice(1))), []);
  },
});

Deno.test("PortableFs: what is read-only for Windows is given times, replaced and removed all the same", () => {
  using dir = new TempDir();
  const fs = new PortableFs(dir.path);
  for (const name of ["a", "b", "new"]) {
    using file = fs.createFile(p(name), 0o644);
    file.write(new TextEncoder().encode(name));
  }
  const readOnly = (name: string) => (Deno.lstatSync(`${dir.path}/${name}`).mode! & 0o222) === 0;
  for (const name of ["a", "b"]) Deno.chmodSync(`${dir.path}/${name}`, 0o444);
  fs.setMeta(p("a"), { mtimeNs: 1_000_000_000n });
  assertEquals([fs.lstat(p("a"))!.mtimeNs, readOnly("a")], [1_000_000_000n, true]);
  fs.rename(p("new"), p("a"));
  assertEquals(Deno.readTextFileSync(`${dir.path}/a`), "new");
  fs.unlink(p("b"));
  assertEquals(fs.list(ROOT).map(({ name }) => name), ["a"]);
});

Deno.test("PortableFs: an inode number that Deno may have rounded is none", () => {
  assertEquals(inodeOf(42), 42n);
  assertEquals(inodeOf(2 ** 53 - 1), 2n ** 53n - 1n);
  assertEquals(inodeOf(2 ** 53), 0n);
  assertEquals(inodeOf(null), 0n);
});

Deno.test("MemoryFs: writeFile() and appendFile() change a file in place and its time", () => {
  const fs = makeMemoryFs();
  fs.writeFile(p("a"), "abc");
  const before = fs.lstat(p("a"))!;
  fs.writeFile(p("a"), new Uint8Array([1, 2]));
  fs.appendFile(p("a"), "z");
  const after = fs.lstat(p("a"))!;
  assertEquals([...fs.readFile(p("a"))], [1, 2, 122]);
  assertEquals([after.ino, after.size], [before.ino, 3]);
  assert(after.mtimeNs > before.mtimeNs && after.ctimeNs === after.mtimeNs);
});

Deno.test("MemoryFs: an open file sees what is written in place", () => {
  const fs = makeMemoryFs();
  fs.writeFile(p("a"), "abc");
  using file = fs.openFile(p("a"));
  const before = file.stat();
  fs.appendFile(p("a"), "def");
  assertEquals(file.stat().size, 6);
  assert(file.stat().mtimeNs > before.mtimeNs);
  fs.writeFile(p("a"), "x");
  assertEquals(file.readAt(0, new Uint8Array(10)), 1);
});

Deno.test("MemoryFs: ctime changes with content, metadata, names and parent of an entry", () => {
  const fs = makeMemoryFs();
  fs.writeFile(p("a"), "abc");
  fs.mkdir(p("d"), 0o755);
  let path = p("a");
  const changes = (change: () => void) => {
    const before = fs.lstat(path)!.ctimeNs;
    change();
    return fs.lstat(path)!.ctimeNs > before;
  };
  assert(changes(() => fs.writeFile(path, "x")));
  assert(changes(() => fs.appendFile(path, "x")));
  assert(changes(() => fs.setMeta(path, { mtimeNs: 0n })));
  assert(changes(() => fs.link(path, p("b"))));
  assert(changes(() => fs.unlink(p("b"))));
  assert(changes(() => fs.rename(p("a"), path = p("d/a"))));
  fs.link(path, p("b"));
  fs.writeFile(p("c"), "");
  assert(changes(() => fs.rename(p("c"), p("b"))));
  assert(!changes(() => fs.list(p("d"))));
  assert(!changes(() => fs.readFile(path)));
  assertEquals(fs.lstat(path)!.mtimeNs, 0n);
});

Deno.test("MemoryFs: tree() describes all but inodes, in canonical order", () => {
  const fs = makeMemoryFs();
  const mtimeNs = 5n;
  fs.mkdir(joinPath(ROOT, ".dirsync"), 0o700);
  fs.writeFile(p("b"), "text");
  fs.writeFile(p("a!"), new Uint8Array([0xff, 65]));
  fs.mkdir(p("a"), 0o711);
  fs.writeFile(p("a/big"), "x".repeat(257));
  fs.symlink(p("a/link"), "../b");
  fs.makeOther(p("fifo"));
  for (const path of ["b", "a!", "a/big", "a/link", "a", "fifo", ""]) fs.setMeta(p(path), { mtimeNs });
  assertEquals(Object.keys(fs.tree()), [".dirsync", "a", "a/big", "a/link", "a!", "b", "fifo"]);
  const { ["a/big"]: big, ...rest } = fs.tree({ withoutPrivate: true });
  assertEquals(rest, {
    "a": { kind: "dir", mode: 0o711, mtimeNs },
    "a/link": { kind: "symlink", mode: 0o777, mtimeNs, target: "../b" },
    "a!": { kind: "file", mode: 0o644, mtimeNs, size: 2, content: "hex:ff41" },
    "b": { kind: "file", mode: 0o644, mtimeNs, size: 4, content: "text" },
    "fifo": { kind: "other", mode: 0o644, mtimeNs },
  });
  assertEquals([big!.size, big!.content!.length], [257, "sha256:".length + 64]);
});

Deno.test("MemoryFs: names that are not UTF-8 are names like others", () => {
  const fs = makeMemoryFs();
  fs.writeFile(joinPath(ROOT, "a\udcff"), "");
  assertEquals(fs.list(ROOT).map(({ name }) => name), ["a\udcff"]);
});
