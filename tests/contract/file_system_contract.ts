// What every FileSystem must do: core/fs.ts as tests. Files are written and read through the interface alone, so that a
// new layer only has to call `fileSystemContract`.

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { CannotHoldError } from "../../core/errors.ts";
import { type FileSystem, holesOf, type Meta, removeTree } from "../../core/fs.ts";
import { joinPath, parsePath, type RelPath, ROOT } from "../../core/path.ts";
import { windowsPath } from "../../core/windows_path.ts";
import { NO_LINKS } from "../support/links.ts";
import { surveyTests } from "./survey_contract.ts";

/** A file system whose root is an empty directory, for one test. */
export interface FsUnderTest extends Disposable {
  readonly fs: FileSystem;
}

type AnyError = new (message: string) => Error;

const POSIX = Deno.build.os !== "windows";

/** 2009-02-13; the digits tell how exact a layer is. */
const SOME_TIME = 1_234_567_890_123_456_789n;
const LONG_AGO: Meta = { mtimeNs: 1_000_000_000_000_000_000n };

/** Names that have broken programs. */
const AWKWARD_NAMES = [
  "new\nline",
  "tab\tand\rreturn",
  " leading and trailing ",
  "'single' \"double\" `back`",
  "-rf",
  "--",
  "*?[a-z]{b,c}",
  "$HOME;&|<>()!#~%",
  "back\\slash",
  "colon:semi;",
  "...",
  "..hidden",
  ".dirsync.not",
  "\x01\x1b[31m\x7f",
  "naïve",
  "e\u0301",
  "日本語",
  "\u202eright-to-left",
  "👩‍👩‍👧‍👦",
  "\ufeffbom",
  "con",
  "x".repeat(255),
  "é".repeat(127) + "e",
];

/**
 * Registers the tests.
 *
 * @param name Name of the class under test, for the names of the tests.
 * @param makeFs Makes a file system with nothing in its root.
 * @param links Whether this machine and user can make symbolic links where it lies.
 */
export function fileSystemContract(name: string, makeFs: () => FsUnderTest, links = true): void {
  function test(title: string, body: (fs: FileSystem) => void, options: TestOptions = {}): void {
    const lacks = options.links === true && !links;
    Deno.test({
      name: `${name}: ${title}${lacks ? NO_LINKS : ""}`,
      ignore: lacks || options.ignore === true,
      fn() {
        using made = makeFs();
        body(made.fs);
      },
    });
  }

  listTests(test);
  surveyTests(test);
  lstatTests(test);
  readTests(test);
  writeTests(test);
  makeTests(test, links);
  linkTests(test);
  renameTests(test);
  removeTests(test);
  metaTests(test);
  modeTests(name, makeFs);
  nameTests(test);
}

interface TestOptions {
  readonly ignore?: boolean;
  /** It is about symbolic links. */
  readonly links?: boolean;
}

/** Registers one test of a layer. */
export type Register = (title: string, body: (fs: FileSystem) => void, options?: TestOptions) => void;

function listTests(test: Register): void {
  test("list() gives nothing for an empty directory", (fs) => {
    assertEquals(fs.list(ROOT), []);
    fs.mkdir(p("d"), 0o755);
    assertEquals(fs.list(p("d")), []);
  });

  test("list() gives every kind of entry with what lstat() says of it", (fs) => {
    fs.mkdir(p("d"), 0o755);
    fs.mkdir(p("d/sub"), 0o755);
    write(fs, "d/file", "abc");
    const listed = fs.list(p("d")).sort((a, b) => a.name < b.name ? -1 : 1);
    assertEquals(listed.map(({ name, stat }) => [name, stat.kind]), [["file", "file"], ["sub", "dir"]]);
    for (const { name, stat } of listed) assertEquals(stat, fs.lstat(joinPath(p("d"), name))!);
  });

  test("list() gives symbolic links with what lstat() says of them", (fs) => {
    fs.symlink(p("link"), "nowhere");
    assertEquals(fs.list(ROOT), [{ name: "link", stat: fs.lstat(p("link"))! }]);
    assertEquals(fs.lstat(p("link"))!.kind, "symlink");
  }, { links: true });

  test("list() leaves out what is deeper", (fs) => {
    fs.mkdir(p("d"), 0o755);
    write(fs, "d/file", "");
    assertEquals(namesIn(fs, ""), ["d"]);
  });

  test("list() refuses what is not a directory", (fs) => {
    write(fs, "file", "");
    assertFails(() => fs.list(p("gone")), Deno.errors.NotFound, "ENOENT");
    assertFails(() => fs.list(p("file")), Deno.errors.NotADirectory, "ENOTDIR");
  });

  test("list() refuses a symbolic link to a directory", (fs) => {
    fs.mkdir(p("d"), 0o755);
    fs.symlink(p("link"), "d");
    assertFails(() => fs.list(p("link")), Deno.errors.NotADirectory, "ENOTDIR");
  }, { links: true });
}

function lstatTests(test: Register): void {
  test("lstat() knows the root, files and directories", (fs) => {
    write(fs, "file", "four");
    fs.mkdir(p("d"), 0o755);
    assertEquals(fs.lstat(ROOT)?.kind, "dir");
    assertEquals(fs.lstat(p("d"))?.kind, "dir");
    assertEquals(fs.lstat(p("file"))?.kind, "file");
    assertEquals(fs.lstat(p("file"))?.size, 4);
  });

  test("lstat() gives undefined where nothing is", (fs) => {
    write(fs, "file", "");
    assertEquals(fs.lstat(p("gone")), undefined);
    assertEquals(fs.lstat(p("gone/deeper")), undefined);
    assertEquals(fs.lstat(p("file/below")), undefined);
  });

  test("lstat() sees a symbolic link, not what it leads to, and one that leads nowhere", (fs) => {
    write(fs, "file", "four");
    fs.symlink(p("to-file"), "file");
    fs.symlink(p("link"), "gone");
    assertEquals(fs.lstat(p("to-file"))?.kind, "symlink");
    assertEquals(fs.lstat(p("link"))?.kind, "symlink");
  }, { links: true });

  test("lstat() gives an entry one inode for life, and every entry another", (fs) => {
    if (!fs.features.inodes) return;
    write(fs, "a", "");
    write(fs, "b", "");
    fs.mkdir(p("d"), 0o755);
    const a = fs.lstat(p("a"))!, b = fs.lstat(p("b"))!, d = fs.lstat(p("d"))!;
    assertEquals(new Set([a.ino, b.ino, d.ino]).size, 3);
    assertNotEquals(a.ino, 0n);
    assertEquals([b.dev, d.dev], [a.dev, a.dev]);
    fs.setMeta(p("a"), { mode: 0o600, ...LONG_AGO });
    fs.rename(p("a"), p("d/a"));
    assertEquals(fs.lstat(p("d/a"))!.ino, a.ino);
    fs.rename(p("d"), p("e"));
    assertEquals(fs.lstat(p("e"))!.ino, d.ino);
    assertEquals(fs.lstat(p("e/a"))!.ino, a.ino);
  });
}

function readTests(test: Register): void {
  test("openFile() reads anywhere, in any order", (fs) => {
    write(fs, "file", "0123456789");
    using file = fs.openFile(p("file"));
    assertEquals(readAt(file, 0, 4), "0123");
    assertEquals(readAt(file, 4, 4), "4567");
    assertEquals(readAt(file, 2, 3), "234");
    assertEquals(readAt(file, 9, 1), "9");
    assertEquals(readAt(file, 0, 10), "0123456789");
  });

  test("readAt() stops at the end of the file", (fs) => {
    write(fs, "file", "0123456789");
    using file = fs.openFile(p("file"));
    assertEquals(readAt(file, 8, 5), "89");
    assertEquals(readAt(file, 10, 5), "");
    assertEquals(readAt(file, 1000, 5), "");
    assertEquals(readAt(file, 0, 100), "0123456789");
    assertEquals(readAt(file, 3, 0), "");
  });

  test("readAt() leaves what it does not fill", (fs) => {
    write(fs, "file", "ab");
    using file = fs.openFile(p("file"));
    const into = new Uint8Array(4).fill(7);
    assertEquals(file.readAt(0, into), 2);
    assertEquals([...into], [97, 98, 7, 7]);
  });

  test("readAt() fills a view into a larger buffer", (fs) => {
    write(fs, "file", "abc");
    using file = fs.openFile(p("file"));
    const whole = new Uint8Array(8);
    assertEquals(file.readAt(1, whole.subarray(3, 5)), 2);
    assertEquals([...whole], [0, 0, 0, 98, 99, 0, 0, 0]);
  });

  test("openFile() skips nothing but zeros as a hole, and every hole in the end", (fs) => {
    const block = 1 << 16, file = p("sparse");
    {
      using made = fs.createFile(file, 0o644);
      made.skip(4 * block);
      made.write(bytes("data"));
      made.skip(4 * block);
      made.setMeta(LONG_AGO);
    }
    const size = 8 * block + 4;
    using sparse = fs.openFile(file);
    let at = 0, data = 0;
    for (let from = 0; from < size; from = at + 4096) {
      at = sparse.dataFrom(from);
      assert(at >= from && at <= size, `${at} from ${from}`);
      if (from <= 4 * block) assert(at <= 4 * block, "data were skipped");
      if (at < size) data++;
    }
    assertEquals(sparse.dataFrom(4 * block), 4 * block);
    assertEquals(sparse.dataFrom(4 * block + 2), 4 * block + 2);
    assertEquals(holesOf(sparse, sparse.stat()) === undefined, sparse.stat().allocated === size);
    // Where holes are told, this one is.
    if (sparse.dataFrom(0) > 0) assertEquals([sparse.dataFrom(0), data <= 16], [4 * block, true]);
    write(fs, "empty", "");
    using empty = fs.openFile(p("empty"));
    assertEquals(empty.dataFrom(0), 0);
  });

  test("openFile() reads an empty file", (fs) => {
    write(fs, "file", "");
    using file = fs.openFile(p("file"));
    assertEquals(file.stat().size, 0);
    assertEquals(readAt(file, 0, 10), "");
  });

  test("stat() of an open file says what lstat() says", (fs) => {
    write(fs, "file", "abc");
    using file = fs.openFile(p("file"));
    assertEquals(file.stat(), fs.lstat(p("file"))!);
  });

  test("openFile() goes on with the file that it opened when another takes its name", (fs) => {
    write(fs, "file", "old");
    write(fs, "new", "new!");
    using file = fs.openFile(p("file"));
    const before = file.stat();
    fs.rename(p("new"), p("file"));
    assertEquals(file.stat().ino, before.ino);
    assertEquals(readAt(file, 0, 10), "old");
    assertNotEquals(fs.lstat(p("file"))!.ino, before.ino);
  }, { ignore: !POSIX });

  test("openFile() refuses what is not a file", (fs) => {
    fs.mkdir(p("d"), 0o755);
    write(fs, "file", "");
    assertFails(() => fs.openFile(p("gone")), Deno.errors.NotFound, "ENOENT");
    assertFails(() => fs.openFile(p("file/below")), Deno.errors.NotADirectory, "ENOTDIR");
    assertFails(() => fs.openFile(p("d")), Deno.errors.IsADirectory, "EISDIR");
  });

  test("openFile() refuses symbolic links, wherever they lead", (fs) => {
    fs.mkdir(p("d"), 0o755);
    write(fs, "file", "");
    fs.symlink(p("to-file"), "file");
    fs.symlink(p("to-dir"), "d");
    fs.symlink(p("nowhere"), "gone");
    fs.symlink(p("loop"), "loop");
    for (const path of ["to-file", "to-dir", "nowhere", "loop"]) {
      assertFails(() => fs.openFile(p(path)), Deno.errors.FilesystemLoop, "ELOOP");
    }
  }, { links: true });

  test("readLink() gives the text of a symbolic link, not that of a link it leads to", (fs) => {
    fs.symlink(p("second"), "first");
    fs.symlink(p("first"), "../some/where else\n");
    assertEquals(fs.readLink(p("first")), "../some/where else\n");
    assertEquals(fs.readLink(p("second")), "first");
  }, { links: true });

  test("readLink() refuses what is not a symbolic link", (fs) => {
    write(fs, "file", "");
    assertFails(() => fs.readLink(p("gone")), Deno.errors.NotFound, "ENOENT");
    assertFails(() => fs.readLink(p("file")), TypeError, "EINVAL");
    assertFails(() => fs.readLink(ROOT), TypeError, "EINVAL");
  });
}

function writeTests(test: Register): void {
  test("createFile() makes a file of all that is written to it", (fs) => {
    using file = fs.createFile(p("file"), 0o644);
    assertEquals(fs.lstat(p("file"))?.size, 0);
    file.write(bytes("abc"));
    file.write(bytes(""));
    file.write(bytes("_defg_").subarray(1, 5));
    file.sync();
    assertEquals(read(fs, "file"), "abcdefg");
  });

  test("createFile() takes a megabyte in one write", (fs) => {
    const content = new Uint8Array(1 << 20).map((_, at) => at * 31 >> 3);
    using file = fs.createFile(p("file"), 0o644);
    file.write(content);
    using opened = fs.openFile(p("file"));
    const into = new Uint8Array(content.length + 1);
    assertEquals(opened.readAt(0, into), content.length);
    assert(into.subarray(0, -1).every((byte, at) => byte === content[at]));
  });

  test("createFile() refuses a name that is taken and leaves what has it", (fs) => {
    write(fs, "file", "keep");
    fs.mkdir(p("d"), 0o755);
    for (const path of ["file", "d"]) {
      assertFails(() => fs.createFile(p(path), 0o644), Deno.errors.AlreadyExists, "EEXIST");
    }
    assertEquals(read(fs, "file"), "keep");
  });

  test("createFile() refuses the name of a symbolic link and makes nothing where that leads", (fs) => {
    write(fs, "file", "keep");
    fs.symlink(p("to-file"), "file");
    fs.symlink(p("nowhere"), "gone");
    for (const path of ["to-file", "nowhere"]) {
      assertFails(() => fs.createFile(p(path), 0o644), Deno.errors.AlreadyExists, "EEXIST");
    }
    assertEquals(read(fs, "file"), "keep");
    assertEquals(fs.lstat(p("gone")), undefined);
  }, { links: true });

  test("createFile() needs its directory", (fs) => {
    write(fs, "file", "");
    assertFails(() => fs.createFile(p("gone/file"), 0o644), Deno.errors.NotFound, "ENOENT");
    assertFails(() => fs.createFile(p("file/below"), 0o644), Deno.errors.NotADirectory, "ENOTDIR");
  });

  test("createFile() refuses a name of 256 bytes", (fs) => {
    // A RelPath can only hold one if it came from a listing.
    const path = joinPath(ROOT, "x".repeat(256));
    assertFails(() => fs.createFile(path, 0o644), Error, "ENAMETOOLONG");
    assertFails(() => fs.lstat(path), Error, "ENAMETOOLONG");
  }, { ignore: !POSIX });

  test("WritableFile.setMeta() has the last word on the time", (fs) => {
    const mtimeNs = floor(fs, SOME_TIME);
    {
      using file = fs.createFile(p("file"), 0o640);
      file.write(bytes("abc"));
      file.setMeta({ mode: 0o640, mtimeNs: LONG_AGO.mtimeNs });
      file.setMeta({ mode: 0o640, mtimeNs });
      file.sync();
    }
    assertEquals(fs.lstat(p("file"))?.mtimeNs, mtimeNs);
  });

  test("copy() appends what is at an offset of another file, as far as that goes, or nothing", (fs) => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7 + (i >> 8));
    {
      using file = fs.createFile(parsePath("from"), 0o644);
      file.write(bytes);
    }
    using from = fs.openFile(parsePath("from"));
    {
      using file = fs.createFile(parsePath("to"), 0o644);
      file.write(bytes.subarray(0, 10));
      let done = 10;
      for (let count = 1; count > 0; done += count) count = file.copy(from, done, 1000);
      assert(done === 10 || done === bytes.length, `${done}`);
      assertEquals(file.copy(from, bytes.length, 1000), 0);
      file.write(bytes.subarray(done));
    }
    using to = fs.openFile(parsePath("to"));
    const copied = new Uint8Array(bytes.length + 1);
    assertEquals(to.readAt(0, copied), bytes.length);
    assertEquals(copied.subarray(0, bytes.length), bytes);
  });

  test("a file is closed when it is disposed of, once or twice", (fs) => {
    const file = fs.createFile(p("file"), 0o644);
    file[Symbol.dispose]();
    file[Symbol.dispose]();
    assertThrows(() => file.write(bytes("late")), Deno.errors.BadResource);
    const opened = fs.openFile(p("file"));
    opened[Symbol.dispose]();
    opened[Symbol.dispose]();
    assertThrows(() => opened.stat(), Deno.errors.BadResource);
  });
}

function makeTests(test: Register, links: boolean): void {
  test("mkdir() makes an empty directory", (fs) => {
    fs.mkdir(p("d"), 0o755);
    fs.mkdir(p("d/sub"), 0o755);
    assertEquals(fs.lstat(p("d/sub"))?.kind, "dir");
    assertEquals(namesIn(fs, "d/sub"), []);
  });

  test("mkdir() refuses a name that is taken, and needs its directory", (fs) => {
    fs.mkdir(p("d"), 0o755);
    write(fs, "file", "");
    for (const path of ["d", "file"]) {
      assertFails(() => fs.mkdir(p(path), 0o755), Deno.errors.AlreadyExists, "EEXIST");
    }
    assertFails(() => fs.mkdir(p("gone/d"), 0o755), Deno.errors.NotFound, "ENOENT");
    assertFails(() => fs.mkdir(p("file/d"), 0o755), Deno.errors.NotADirectory, "ENOTDIR");
  });

  test("mkdir() refuses the name of a symbolic link", (fs) => {
    fs.symlink(p("link"), "gone");
    assertFails(() => fs.mkdir(p("link"), 0o755), Deno.errors.AlreadyExists, "EEXIST");
  }, { links: true });

  test("symlink() keeps the text as it is, whether it leads anywhere or not", (fs) => {
    for (const [at, target] of ["gone", "/", "..", "./a//b/", "/abs olute", "日本", "-x", "new\nline"].entries()) {
      fs.symlink(p(`link${at}`), target);
      assertEquals(fs.readLink(p(`link${at}`)), target);
    }
  }, { links: true });

  if (!links) {
    test("symlink() says that it cannot make one, and makes nothing", (fs) => {
      assertThrows(() => fs.symlink(p("link"), "x"), CannotHoldError, "symbolic links");
      assertEquals(fs.list(ROOT), []);
    });
  }

  test("symlink() refuses a name that is taken, and needs its directory", (fs) => {
    write(fs, "file", "");
    fs.mkdir(p("d"), 0o755);
    fs.symlink(p("link"), "gone");
    for (const path of ["file", "d", "link"]) {
      assertFails(() => fs.symlink(p(path), "x"), Deno.errors.AlreadyExists, "EEXIST");
    }
    assertEquals(fs.readLink(p("link")), "gone");
    assertFails(() => fs.symlink(p("gone/link"), "x"), Deno.errors.NotFound, "ENOENT");
  }, { links: true });

  test("syncDir() takes the root and directories below it", (fs) => {
    fs.mkdir(p("d"), 0o755);
    fs.syncDir(ROOT);
    fs.syncDir(p("d"));
    if (POSIX) assertFails(() => fs.syncDir(p("gone")), Deno.errors.NotFound, "ENOENT");
  });

  test("an entry that comes or goes changes its directory's time, one that is changed does not", (fs) => {
    fs.mkdir(p("d"), 0o755);
    fs.mkdir(p("e"), 0o755);
    const changes = (dir: string, change: () => void) => {
      fs.setMeta(p(dir), LONG_AGO);
      change();
      return fs.lstat(p(dir))!.mtimeNs !== LONG_AGO.mtimeNs;
    };
    assert(changes("d", () => write(fs, "d/file", "abc")), "createFile");
    assert(changes("d", () => fs.mkdir(p("d/sub"), 0o755)), "mkdir");
    assert(changes("d", () => fs.symlink(p("d/link"), "x")), "symlink");
    assert(changes("d", () => fs.link(p("d/file"), p("d/second"))), "link");
    assert(changes("d", () => fs.rename(p("d/second"), p("d/third"))), "rename");
    assert(changes("d", () => fs.rename(p("d/third"), p("e/third"))), "rename, directory left");
    assert(changes("d", () => fs.rename(p("e/third"), p("d/third"))), "rename, directory entered");
    assert(changes("d", () => fs.unlink(p("d/third"))), "unlink");
    assert(!changes("d", () => fs.setMeta(p("d/sub"), { mode: 0o700, ...LONG_AGO })), "setMeta");
    assert(!changes("d", () => write(fs, "d/sub/file", "")), "createFile one level deeper");
    fs.unlink(p("d/sub/file"));
    assert(changes("d", () => fs.rmdir(p("d/sub"))), "rmdir");
  }, { ignore: !POSIX });
}

function linkTests(test: Register): void {
  test("link() gives a file a second name: one inode, one content, one set of metadata", (fs) => {
    write(fs, "a", "abc");
    fs.link(p("a"), p("b"));
    assertEquals(read(fs, "b"), "abc");
    if (fs.features.inodes) assertEquals(fs.lstat(p("b"))!.ino, fs.lstat(p("a"))!.ino);
    fs.setMeta(p("a"), LONG_AGO);
    assertEquals(fs.lstat(p("b"))!.mtimeNs, LONG_AGO.mtimeNs);
    fs.unlink(p("a"));
    assertEquals(read(fs, "b"), "abc");
  });

  test("link() gives a symbolic link a second name, not what it leads to", (fs) => {
    write(fs, "file", "");
    fs.symlink(p("a"), "file");
    fs.link(p("a"), p("b"));
    assertEquals(fs.readLink(p("b")), "file");
  }, { ignore: !POSIX });

  test("link() refuses a name that is taken, directories, and what is not there", (fs) => {
    write(fs, "a", "a");
    write(fs, "b", "b");
    fs.mkdir(p("d"), 0o755);
    for (const path of ["a", "b", "d"]) {
      assertFails(() => fs.link(p("a"), p(path)), Deno.errors.AlreadyExists, "EEXIST");
    }
    assertEquals(read(fs, "b"), "b");
    assertFails(() => fs.link(p("gone"), p("c")), Deno.errors.NotFound, "ENOENT");
    assertFails(() => fs.link(p("a"), p("gone/c")), Deno.errors.NotFound, "ENOENT");
    assertFails(() => fs.link(p("d"), p("c")), Deno.errors.PermissionDenied, "EPERM");
    assertEquals(fs.lstat(p("c")), undefined);
  });

  test("link() refuses the name of a symbolic link", (fs) => {
    write(fs, "a", "a");
    fs.symlink(p("link"), "gone");
    assertFails(() => fs.link(p("a"), p("link")), Deno.errors.AlreadyExists, "EEXIST");
  }, { links: true });
}

function renameTests(test: Register): void {
  test("rename() moves files, and directories with all that is in them", (fs) => {
    fs.mkdir(p("d"), 0o755);
    fs.mkdir(p("d/sub"), 0o755);
    write(fs, "d/sub/file", "abc");
    fs.mkdir(p("e"), 0o755);
    fs.rename(p("d"), p("e/d2"));
    fs.rename(p("e/d2/sub/file"), p("file"));
    assertEquals(namesIn(fs, ""), ["e", "file"]);
    assertEquals(namesIn(fs, "e"), ["d2"]);
    assertEquals(namesIn(fs, "e/d2"), ["sub"]);
    assertEquals(namesIn(fs, "e/d2/sub"), []);
    assertEquals(read(fs, "file"), "abc");
  });

  test("rename() moves symbolic links, also with the directory that they are in", (fs) => {
    fs.mkdir(p("d"), 0o755);
    fs.symlink(p("d/link"), "sub");
    fs.rename(p("d"), p("e"));
    fs.rename(p("e/link"), p("link"));
    assertEquals([namesIn(fs, ""), namesIn(fs, "e")], [["e", "link"], []]);
    assertEquals(fs.readLink(p("link")), "sub");
  }, { links: true });

  test("rename() keeps mode and time of what it moves", (fs) => {
    write(fs, "a", "abc", { mode: 0o600, ...LONG_AGO });
    fs.rename(p("a"), p("b"));
    assertEquals(fs.lstat(p("b"))!.mtimeNs, LONG_AGO.mtimeNs);
    if (fs.features.modes) assertEquals(fs.lstat(p("b"))!.mode, 0o600);
  });

  test("rename() puts a file in the place of a file", (fs) => {
    write(fs, "a", "a");
    write(fs, "b", "b");
    fs.rename(p("a"), p("b"));
    assertEquals(read(fs, "b"), "a");
    assertEquals(namesIn(fs, ""), ["b"]);
  });

  test("rename() puts a file in the place of a symbolic link, not of what that leads to", (fs) => {
    write(fs, "a", "a");
    write(fs, "c", "c");
    fs.symlink(p("link"), "c");
    fs.rename(p("a"), p("link"));
    assertEquals(fs.lstat(p("link"))?.kind, "file");
    assertEquals(read(fs, "link"), "a");
    assertEquals(read(fs, "c"), "c");
    assertEquals(namesIn(fs, ""), ["c", "link"]);
  }, { links: true });

  test("rename() puts a symbolic link in the place of a file", (fs) => {
    write(fs, "file", "");
    fs.symlink(p("link"), "gone");
    fs.rename(p("link"), p("file"));
    assertEquals(fs.readLink(p("file")), "gone");
    assertEquals(namesIn(fs, ""), ["file"]);
  }, { links: true });

  test("rename() leaves the other names of a file that it replaces", (fs) => {
    write(fs, "old", "old");
    write(fs, "new", "new");
    fs.link(p("old"), p("kept"));
    fs.rename(p("new"), p("old"));
    assertEquals([read(fs, "old"), read(fs, "kept")], ["new", "old"]);
  });

  test("rename() onto itself, or onto another name of the same file, changes nothing", (fs) => {
    write(fs, "a", "abc");
    fs.link(p("a"), p("b"));
    fs.rename(p("a"), p("a"));
    fs.rename(p("a"), p("b"));
    assertEquals(namesIn(fs, ""), ["a", "b"]);
  }, { ignore: !POSIX });

  test("rename() puts a directory in the place of an empty one only", (fs) => {
    fs.mkdir(p("full"), 0o755);
    write(fs, "full/file", "abc");
    fs.mkdir(p("empty"), 0o755);
    assertFails(() => fs.rename(p("empty"), p("full")), Error, "ENOTEMPTY");
    fs.rename(p("full"), p("empty"));
    assertEquals(namesIn(fs, ""), ["empty"]);
    assertEquals(read(fs, "empty/file"), "abc");
  }, { ignore: !POSIX });

  test("rename() refuses a directory in the place of a file, and the reverse", (fs) => {
    write(fs, "file", "");
    fs.mkdir(p("d"), 0o755);
    assertFails(() => fs.rename(p("file"), p("d")), Deno.errors.IsADirectory, "EISDIR");
    assertFails(() => fs.rename(p("d"), p("file")), Deno.errors.NotADirectory, "ENOTDIR");
    assertEquals(namesIn(fs, ""), ["d", "file"]);
  });

  test("rename() refuses a directory in the place of a symbolic link, and the reverse", (fs) => {
    fs.mkdir(p("d"), 0o755);
    fs.symlink(p("link"), "d");
    assertFails(() => fs.rename(p("link"), p("d")), Deno.errors.IsADirectory, "EISDIR");
    assertFails(() => fs.rename(p("d"), p("link")), Deno.errors.NotADirectory, "ENOTDIR");
    assertEquals(namesIn(fs, ""), ["d", "link"]);
  }, { links: true });

  test("rename() refuses a place inside of what is moved, or around it", (fs) => {
    fs.mkdir(p("d"), 0o755);
    fs.mkdir(p("d/sub"), 0o755);
    assertFails(() => fs.rename(p("d"), p("d/new")), TypeError, "EINVAL");
    assertFails(() => fs.rename(p("d"), p("d/sub/new")), TypeError, "EINVAL");
    assertFails(() => fs.rename(p("d"), p("d/sub")), TypeError, "EINVAL");
    assertFails(() => fs.rename(p("d/sub"), p("d")), Error, "ENOTEMPTY");
    assertEquals(namesIn(fs, "d"), ["sub"]);
  }, { ignore: !POSIX });

  test("rename() needs what is moved and the directory that it goes to", (fs) => {
    write(fs, "file", "");
    assertFails(() => fs.rename(p("gone"), p("x")), Deno.errors.NotFound, "ENOENT");
    assertFails(() => fs.rename(p("gone"), p("file")), Deno.errors.NotFound, "ENOENT");
    assertFails(() => fs.rename(p("file"), p("gone/x")), Deno.errors.NotFound, "ENOENT");
    assertFails(() => fs.rename(p("file"), p("file/x")), Deno.errors.NotADirectory, "ENOTDIR");
    assertEquals(namesIn(fs, ""), ["file"]);
  });
}

function removeTests(test: Register): void {
  test("unlink() removes files and symbolic links, not what those lead to", (fs) => {
    write(fs, "file", "abc");
    fs.mkdir(p("d"), 0o755);
    fs.symlink(p("to-file"), "file");
    fs.symlink(p("to-dir"), "d");
    fs.symlink(p("nowhere"), "gone");
    for (const path of ["to-file", "to-dir", "nowhere"]) fs.unlink(p(path));
    assertEquals(namesIn(fs, ""), ["d", "file"]);
    fs.unlink(p("file"));
    assertEquals(namesIn(fs, ""), ["d"]);
  }, { links: true });

  test("unlink() removes a file", (fs) => {
    write(fs, "file", "abc");
    write(fs, "other", "abc");
    fs.unlink(p("file"));
    assertEquals(namesIn(fs, ""), ["other"]);
  });

  test("unlink() refuses directories, empty ones too, and what is not there", (fs) => {
    fs.mkdir(p("d"), 0o755);
    assertFails(() => fs.unlink(p("d")), Deno.errors.IsADirectory, "EISDIR");
    assertEquals(fs.lstat(p("d"))?.kind, "dir");
    assertFails(() => fs.unlink(p("gone")), Deno.errors.NotFound, "ENOENT");
    assertFails(() => fs.unlink(p("gone/deeper")), Deno.errors.NotFound, "ENOENT");
  });

  test("rmdir() removes an empty directory and nothing else", (fs) => {
    fs.mkdir(p("d"), 0o755);
    write(fs, "d/file", "");
    assertFails(() => fs.rmdir(p("d")), Error, "ENOTEMPTY");
    assertFails(() => fs.rmdir(p("d/file")), Deno.errors.NotADirectory, "ENOTDIR");
    assertFails(() => fs.rmdir(p("gone")), Deno.errors.NotFound, "ENOENT");
    fs.unlink(p("d/file"));
    fs.rmdir(p("d"));
    assertEquals(namesIn(fs, ""), []);
  });

  test("rmdir() refuses a symbolic link to a directory", (fs) => {
    fs.mkdir(p("d"), 0o755);
    fs.symlink(p("link"), "d");
    assertFails(() => fs.rmdir(p("link")), Deno.errors.NotADirectory, "ENOTDIR");
    assertEquals(namesIn(fs, ""), ["d", "link"]);
  }, { links: true });

  test("removeTree() removes one file, and takes nothing for done", (fs) => {
    write(fs, "file", "");
    write(fs, "other", "");
    for (let times = 0; times < 2; times++) removeTree(fs, p("file"));
    removeTree(fs, p("gone/deeper"));
    assertEquals(namesIn(fs, ""), ["other"]);
  });

  test("removeTree() removes all below a path", (fs) => {
    for (const dir of ["d", "d/sub", "d/sub/empty", "kept"]) fs.mkdir(p(dir), 0o755);
    write(fs, "d/sub/file", "abc");
    removeTree(fs, p("d"));
    assertEquals(namesIn(fs, ""), ["kept"]);
  });

  test("removeTree() removes nothing through symbolic links", (fs) => {
    fs.mkdir(p("d"), 0o755);
    fs.mkdir(p("d/sub"), 0o755);
    fs.mkdir(p("kept"), 0o755);
    write(fs, "kept/file", "abc");
    fs.symlink(p("d/link"), "../kept");
    fs.symlink(p("d/sub/link"), "../../kept/file");
    removeTree(fs, p("d"));
    assertEquals(namesIn(fs, ""), ["kept"]);
    assertEquals(namesIn(fs, "kept"), ["file"]);
    fs.symlink(p("link"), "kept");
    removeTree(fs, p("link"));
    assertEquals(namesIn(fs, ""), ["kept"]);
  }, { links: true });
}

function metaTests(test: Register): void {
  for (const kind of ["file", "dir", "symlink"] as const) metaTestsOf(kind, test);

  test("setMeta() sets the time of the root", (fs) => {
    fs.setMeta(ROOT, LONG_AGO);
    assertEquals(fs.lstat(ROOT)!.mtimeNs, LONG_AGO.mtimeNs);
  });
  test("setMeta() of a symbolic link leaves what it leads to, whatever mode it is given", (fs) => {
    write(fs, "file", "", { mode: 0o644, mtimeNs: floor(fs, SOME_TIME) });
    fs.symlink(p("link"), "file");
    const target = fs.lstat(p("file")), { mode } = fs.lstat(p("link"))!;
    fs.setMeta(p("link"), { mode: 0o600, ...LONG_AGO });
    assertEquals(fs.lstat(p("link"))!.mtimeNs, LONG_AGO.mtimeNs);
    assertEquals(fs.lstat(p("link"))!.mode, mode);
    assertEquals(fs.lstat(p("file")), target);
  }, { links: true });

  test("setMeta() without a mode leaves the mode, and never changes the content", (fs) => {
    write(fs, "file", "abc", { mode: 0o640, mtimeNs: floor(fs, SOME_TIME) });
    const { mode } = fs.lstat(p("file"))!;
    fs.setMeta(p("file"), LONG_AGO);
    assertEquals(fs.lstat(p("file"))!.mode, mode);
    assertEquals(read(fs, "file"), "abc");
  });

  test("setMeta() needs an entry", (fs) => {
    assertFails(() => fs.setMeta(p("gone"), LONG_AGO), Deno.errors.NotFound, "ENOENT");
    assertFails(() => fs.setMeta(p("gone"), { mode: 0o644, ...LONG_AGO }), Deno.errors.NotFound, "ENOENT");
  });
}

/** What holds of times, whatever has them. */
function metaTestsOf(kind: "file" | "dir" | "symlink", test: Register): void {
  const options = { links: kind === "symlink" };
  const make = (fs: FileSystem) => {
    if (kind === "file") write(fs, "it", "");
    else if (kind === "dir") fs.mkdir(p("it"), 0o755);
    else fs.symlink(p("it"), "gone");
  };
  const set = (fs: FileSystem, mtimeNs: bigint) => {
    const then = fs.setMeta(p("it"), { mtimeNs });
    assertEquals(then, fs.lstat(p("it")), "what setMeta() says of it");
    return then.mtimeNs;
  };

  test(`setMeta() sets times of a ${kind} as exactly as the layer says`, (fs) => {
    make(fs);
    const step = fs.features.timeStepNs;
    // Steps around a second, and many more because floating-point seconds are wrong for a few of them only.
    const times = [0n, step, 999_999_999n, 1_000_000_000n, SOME_TIME, SOME_TIME + step, SOME_TIME - step];
    for (let at = 0n; at < 200n; at++) times.push(at * at * 41_234_567_891_234n + at * 1_001_001n);
    for (const time of times) assertEquals(set(fs, floor(fs, time)), floor(fs, time), `${time}`);
  }, options);

  test(`setMeta() cuts times of a ${kind} off below the step`, (fs) => {
    make(fs);
    assertEquals(set(fs, SOME_TIME), floor(fs, SOME_TIME));
  }, options);

  test(`setMeta() takes times before 1970 for a ${kind}`, (fs) => {
    make(fs);
    assertEquals(set(fs, -86_401_000_000_000n), -86_401_000_000_000n);
    // Cut off means earlier, before 1970 as well.
    const time = -1_500_000_001n, cut = set(fs, time);
    if (kind === "symlink") return assert(cut <= time, `${cut}`);
    assertEquals(cut, time - (fs.features.timeStepNs - 1n));
    assertEquals(set(fs, -1_500_000_000n), -1_500_000_000n);
  }, options);
}

function modeTests(name: string, makeFs: () => FsUnderTest): void {
  for (const umask of [0o022, 0o077]) {
    Deno.test({
      name: `${name}: modes are exact under umask ${umask.toString(8).padStart(3, "0")}`,
      ignore: !POSIX,
      fn() {
        const before = Deno.umask(umask);
        try {
          using made = makeFs();
          if (made.fs.features.modes) checkModes(made.fs);
        } finally {
          Deno.umask(before);
        }
      },
    });
  }
}

function checkModes(fs: FileSystem): void {
  const modeOf = (path: string) => fs.lstat(p(path))!.mode.toString(8);
  fs.mkdir(p("sub"), 0o755);
  for (const mode of [0o000, 0o400, 0o444, 0o600, 0o640, 0o644, 0o666, 0o755, 0o777, 0o4755, 0o2755, 0o1644]) {
    const text = mode.toString(8);
    // Twice each: a layer may remember what the umask does.
    for (const path of [`a${text}`, `b${text}`, `sub/${text}`]) {
      write(fs, path, "abc", { mode, ...LONG_AGO });
      assertEquals(modeOf(path), text, "createFile");
    }
    {
      using file = fs.createFile(p(`c${text}`), mode);
      file.write(bytes("abc"));
      file.setMeta(LONG_AGO);
    }
    assertEquals(modeOf(`c${text}`), text, "createFile, setMeta without mode");
    {
      using file = fs.createFile(p(`d${text}`), 0o600);
      file.write(bytes("abc"));
      file.setMeta({ mode: 0o777, ...LONG_AGO });
      file.setMeta({ mode, ...LONG_AGO });
    }
    assertEquals(modeOf(`d${text}`), text, "createFile with another mode than setMeta");
    fs.setMeta(p(`sub/${text}`), { mode: 0o644, ...LONG_AGO });
    fs.setMeta(p(`sub/${text}`), { mode, ...LONG_AGO });
    assertEquals(modeOf(`sub/${text}`), text, "setMeta");
  }
  for (const mode of [0o000, 0o500, 0o700, 0o711, 0o755, 0o775, 0o777, 0o1777, 0o2755]) {
    const text = mode.toString(8);
    fs.mkdir(p(`dir${text}`), mode);
    assertEquals(modeOf(`dir${text}`), text, "mkdir");
    fs.setMeta(p(`dir${text}`), { mode: 0o750, ...LONG_AGO });
    assertEquals(modeOf(`dir${text}`), "750", "setMeta of a directory");
  }
  // What a directory makes of the modes below it must not matter either.
  fs.mkdir(p("set-group"), 0o2777);
  fs.mkdir(p("set-group/d"), 0o755);
  assertEquals(modeOf("set-group/d"), "755");
}

function nameTests(test: Register): void {
  test("names that look odd are names", (fs) => {
    const names = POSIX ? AWKWARD_NAMES : AWKWARD_NAMES.filter(isNameOnWindows);
    fs.mkdir(p("d"), 0o755);
    for (const name of names) {
      write(fs, name, name);
      assertEquals(read(fs, name), name);
      fs.mkdir(p(`d/${name}`), 0o755);
      fs.setMeta(p(`d/${name}`), LONG_AGO);
      assertEquals(fs.lstat(p(`d/${name}`))!.mtimeNs, LONG_AGO.mtimeNs);
    }
    assertEquals(namesIn(fs, "d"), names.toSorted());
    for (const name of names) {
      fs.link(p(name), p(`d/${name}/second`));
      fs.rename(p(name), p(`d/${name}/${name}`));
      fs.unlink(p(`d/${name}/second`));
      assertEquals(read(fs, `d/${name}/${name}`), name);
    }
    assertEquals(namesIn(fs, ""), ["d"]);
    removeTree(fs, p("d"));
    assertEquals(namesIn(fs, ""), []);
  });

  test("names that look odd are names of symbolic links, and targets", (fs) => {
    for (const name of AWKWARD_NAMES) {
      fs.symlink(p(name), name);
      assertEquals(fs.readLink(p(name)), name);
    }
    assertEquals(namesIn(fs, ""), AWKWARD_NAMES.toSorted());
  }, { ignore: !POSIX, links: true });

  test("a path of 40 names works like one of one name", (fs) => {
    let path = ROOT;
    for (let depth = 0; depth < 40; depth++) fs.mkdir(path = joinPath(path, "directory"), 0o755);
    write(fs, `${path}/file`, "deep");
    assertEquals(read(fs, `${path}/file`), "deep");
    removeTree(fs, p("directory"));
    assertEquals(namesIn(fs, ""), []);
  });
}

function isNameOnWindows(name: string): boolean {
  try {
    windowsPath("C:\\", p(name));
    return true;
  } catch {
    return false;
  }
}

function p(path: string): RelPath {
  return parsePath(path);
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Makes a file as the mirror does. */
function write(fs: FileSystem, path: string, text: string, meta: Required<Meta> = { mode: 0o644, ...LONG_AGO }): void {
  using file = fs.createFile(p(path), meta.mode);
  file.write(bytes(text));
  file.setMeta(meta);
}

function read(fs: FileSystem, path: string): string {
  using file = fs.openFile(p(path));
  return readAt(file, 0, file.stat().size);
}

function readAt(file: ReturnType<FileSystem["openFile"]>, offset: number, length: number): string {
  const into = new Uint8Array(length);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(into.subarray(0, file.readAt(offset, into)));
}

function namesIn(fs: FileSystem, dir: string): string[] {
  return fs.list(p(dir)).map(({ name }) => name).sort();
}

/** The time that is kept of `timeNs`. */
function floor(fs: FileSystem, timeNs: bigint): bigint {
  return timeNs - timeNs % fs.features.timeStepNs;
}

function assertFails(act: () => unknown, type: AnyError, code: string): void {
  const error = assertThrows(act, type);
  assertEquals((error as { code?: unknown }).code, code, String(error));
}
